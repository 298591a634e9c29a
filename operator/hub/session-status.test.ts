import { expect, test } from "vitest";
import type { Host } from "#crds/host.ts";
import { sha256 } from "#protocol/canonical.ts";
import { helloFrame } from "#protocol/fixtures.ts";
import type { SessionFacts } from "./ports.ts";
import {
  statusAtConflict,
  statusAtOpen,
  statusAtReport,
  statusAtRevocation,
  statusAtTakeover,
} from "./session-status.ts";

const NOW = Date.parse("2026-11-21T12:00:00.700Z");
const inSync: SessionFacts = { clock: { skewMs: 0, state: "in-sync" } };
const [one, two] = ["1".repeat(64), "2".repeat(64)];

const hello = helloFrame({ nonce: "shown" });

function host(status?: Host["status"]): Host {
  const metadata = { name: "web-1", namespace: "n", uid: "h", resourceVersion: "1" };
  return { apiVersion: "holdfast.dev/v1alpha1", kind: "Host", metadata, spec: {}, ...(status && { status }) };
}

const open = (on: Host, facts = inSync, alone = false) =>
  statusAtOpen(on, { epoch: 7, replica: "r-1", nonce: "next", hello, facts, alone }, NOW);
const shown = (status: Host["status"]) =>
  status?.conditions?.map(({ type, status, reason }) => `${type}=${status} ${reason}`);

test("an accepted session says who holds it and keeps hashes of the nonces only", () => {
  const status = open(host());
  expect(status.session).toEqual({
    epoch: 7,
    replica: "r-1",
    bootID: "boot",
    connectedTime: "2026-11-21T12:00:00Z",
    nonce: sha256("next"),
    previousNonce: sha256("shown"),
  });
  expect(shown(status)).toEqual(["Connected=True Connected", "ConfigApplied=False Pending", "ClockInSync=True InSync"]);
});

test.each([
  ["that is the desired one is applied", { ...inSync, applied: one }, one, "True Applied"],
  ["that is not is pending", { ...inSync, applied: two }, one, "False Pending"],
  [
    "that the agent refuses says why",
    { ...inSync, applied: two, refused: { id: one, reason: "HostRefused", message: "m" } },
    one,
    "False HostRefused",
  ],
])("a configuration %s", (_, facts, desired, want) => {
  const status = statusAtReport(host({ config: { desired } }), facts, undefined, NOW);
  expect(shown(status)).toContain(`ConfigApplied=${want}`);
});

test("a clock that is off is named with how far and what to do", () => {
  const status = open(host(), { clock: { skewMs: -400_000, state: "off" } });
  expect(status.conditions?.find(({ type }) => type === "ClockInSync")).toMatchObject({
    status: "False",
    message: "the host's clock is 400 s behind; set up time synchronisation there",
  });
});

test("an agent that left keeps its session's place, with when and why", () => {
  const standing = open(host());
  const facts = { ...inSync, disconnected: { since: NOW - 90_000, reason: "connection lost" } };
  const status = statusAtReport(host(standing), facts, undefined, NOW);
  expect(status.session).toEqual({ ...standing.session, disconnectedTime: "2026-11-21T11:58:30Z" });
  expect(status.lastSeenTime).toBe("2026-11-21T11:58:30Z");
  expect(shown(status)?.[0]).toBe("Connected=False Disconnected");
});

test("of an agent that left is said what its schedules do: one that was stopped makes no backups", () => {
  const message = (reason: string) =>
    statusAtReport(host(open(host())), { ...inSync, disconnected: { since: NOW, reason } }, undefined, NOW)
      .conditions?.[0]?.message;
  expect(message("the agent stops")).toBe(
    "the agent was stopped on the host at 2026-11-21T12:00:00Z; its schedules wait until it is started again",
  );
  expect(message("connection lost")).toBe(
    "the agent has been away since 2026-11-21T12:00:00Z: connection lost. If it still runs, its schedules go on; look at its log on the host if it does not come back",
  );
});

test("a conflict stays through reconnects and reports, and ends when only one machine is left or the Host is enrolled again", () => {
  const conflict = statusAtConflict(host(open(host())), "two machines", NOW);
  expect(conflict.session).toEqual(open(host()).session);
  const kept = "IdentityConflict=True SecondMachine";
  expect(shown(conflict)).toContain(kept);
  expect(shown(open(host(conflict)))).toContain(kept);
  expect(shown(statusAtReport(host(conflict), inSync, undefined, NOW))).toContain(kept);
  expect(shown(open(host(conflict), inSync, true))).not.toContain(kept);
  const taken = statusAtTakeover(host(conflict), "r-2", NOW);
  expect(shown(taken)).toEqual(["Connected=False Reenrolled"]);
  expect(taken.session).toEqual({ epoch: 8, replica: "r-2", disconnectedTime: "2026-11-21T12:00:00Z" });
});

test("a revoked Host has no session, and no replica takes the one it had for the present one", () => {
  const connected = open(host());
  const revoked = statusAtRevocation(host(connected), NOW);
  expect(shown(revoked)?.[0]).toBe("Connected=False Revoked");
  expect(revoked).toMatchObject({ agent: connected.agent, lastSeenTime: connected.lastSeenTime ?? "" });
  expect(revoked.session).toEqual({ ...connected.session, epoch: 8, disconnectedTime: "2026-11-21T12:00:00Z" });
});
