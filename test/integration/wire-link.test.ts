import { afterEach, expect, test, vi } from "vitest";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { Link } from "../../agent/link/link.ts";
import type { LinkSettings } from "../../agent/link/link-state.ts";
import { certificates } from "./wire-certificates.ts";
import { silent, TestHub } from "./wire-hub.ts";
import { configOf, MemoryCore, run } from "./wire-memory-core.ts";

const links: Link[] = [];
afterEach(() => {
  for (const link of links.splice(0)) link.stop();
});

function connect(core: MemoryCore, settings: Partial<LinkSettings> = {}, log = silent): Link {
  const quick = { firstDelayMs: 10, maxDelayMs: 100, refusedDelayMs: 200, ...settings };
  const link = new Link({ core, settings: quick, clock: systemClock, random: systemRandom, log });
  links.push(link);
  link.start();
  return link;
}

function coreOf(hub: TestHub, name = "web-1"): MemoryCore {
  return new MemoryCore({
    host: { uid: `${name}-uid`, namespace: "backups", name },
    endpoint: hub.endpoint,
    ca: [hub.authority.ca],
    credential: `hfa_backups_${name}_${"s".repeat(43)}`,
  });
}

test("a link applies its configuration, runs its command once and forgets the result when it is written", async () => {
  await using hub = await TestHub.start();
  const core = coreOf(hub);
  const command = { type: "run", id: "run-1", name: "run-1", policyUID: "a", ttlMs: 60_000, overrides: {} } as const;
  hub.ports.wanted = { config: configOf(1, ["a"]), commands: [command] };
  const link = connect(core);
  await vi.waitFor(() => expect(core.entries).toHaveLength(0));
  await vi.waitFor(() => expect(hub.ports.written).toMatchObject([{ uid: "run-1", phase: "Running" }]));
  expect(core.held().id).toBe(configOf(1, ["a"]).id);
  expect(core.executed).toEqual(new Map([["run-1", 1]]));
  expect(core.me).toMatchObject({ highestEpoch: 1, nonce: "nonce-1", clusterID: "cluster" });
  await vi.waitFor(() => expect(hub.ports.answers).toEqual([{ id: "run-1", state: "accepted" }]));
  await vi.waitFor(() => expect(hub.ports.reports.at(-1)?.facts.applied).toBe(core.held().id));
  core.add(run("run-1", "Succeeded"));
  await vi.waitFor(() => expect(hub.ports.written.at(-1)).toMatchObject({ phase: "Succeeded" }));
  await vi.waitFor(() => expect(core.entries).toEqual([]));
  expect(link.status()).toMatchObject({ connected: true, epoch: 1, reason: "" });
});

test("a link says at once that it is connected, configured, and connected no more", async () => {
  await using hub = await TestHub.start();
  const core = coreOf(hub);
  hub.ports.wanted = { config: configOf(1, ["a"]), commands: [] };
  const link = connect(core);
  const told: string[] = [];
  link.onChange(() => told.push(`${link.status().connected} ${core.held().id === configOf(1, ["a"]).id}`));
  await vi.waitFor(() => expect(told).toEqual(["true false", "true true"]));
  await hub.gateway.drain();
  await vi.waitFor(() => expect(told[2]).toBe("false true"));
});

test("a thousand results that waited for the operator are delivered in order", async () => {
  await using hub = await TestHub.start();
  const core = coreOf(hub);
  for (let n = 0; n < 1000; n++) core.add(run(`run-${n}`, "Succeeded"));
  connect(core);
  await vi.waitFor(() => expect(core.entries).toEqual([]), 10_000);
  expect(hub.ports.written.map((record) => record.uid)).toEqual(Array.from({ length: 1000 }, (_, n) => `run-${n}`));
});

test("a result too large for a frame is set aside and does not stop the next", async () => {
  await using hub = await TestHub.start();
  const core = coreOf(hub);
  core.add({ ...run("huge", "Succeeded"), message: "x".repeat(2 * 1024 * 1024) });
  core.add(run("small", "Succeeded"));
  connect(core);
  await vi.waitFor(() => expect(hub.ports.written).toMatchObject([{ uid: "small" }]));
  expect(core.rejected).toMatchObject([{ record: { uid: "huge" } }]);
});

test("a link whose credential is refused says why, keeps it and tries again after the longer delay", async () => {
  await using hub = await TestHub.start();
  const core = coreOf(hub, "nobody");
  const link = connect(core);
  await vi.waitFor(() =>
    expect(link.status().reason).toContain("401: this credential is not known: enrol the machine again"),
  );
  await vi.waitFor(() => expect(hub.ports.requests).toHaveLength(2));
  expect(core.me.credential).toContain("hfa_backups_nobody_");
  expect(link.status().connected).toBe(false);
});

test("a link waits as long as Retry-After says", async () => {
  await using hub = await TestHub.start({ admission: { perSecond: 0.001, burst: 1 } });
  const first = connect(coreOf(hub, "web-1"));
  await vi.waitFor(() => expect(first.status().connected).toBe(true));
  const warnings: { reason?: string; retryInMs?: number }[] = [];
  const log = { ...silent, warn: (fields: object) => void warnings.push(fields) };
  const second = connect(coreOf(hub, "web-2"), {}, log);
  await vi.waitFor(() => expect(second.status().reason).toContain("503"));
  expect(warnings[0]?.retryInMs).toBeGreaterThanOrEqual(5_000);
  expect(warnings[0]?.retryInMs).toBeLessThanOrEqual(60_000);
});

test("a link never shows its credential to a server that its authority did not sign", async () => {
  await using hub = await TestHub.start();
  const core = coreOf(hub);
  core.me.ca = [(await certificates("another")).ca];
  const link = connect(core);
  await vi.waitFor(() => expect(link.status().reason).toContain("not trusted here"));
  expect(hub.ports.requests).toEqual([]);
});

test("a link that was superseded comes back with a higher epoch", async () => {
  await using hub = await TestHub.start();
  const core = coreOf(hub);
  const link = connect(core);
  await vi.waitFor(() => expect(link.status().epoch).toBe(1));
  hub.ports.epochs.set("web-1", 7);
  hub.gateway.observe("backups/web-1", { uid: "web-1-uid", epoch: 7, revoked: false });
  await vi.waitFor(() => expect(link.status().epoch).toBe(8));
  expect(core.epochs).toEqual([1, 8]);
});

test("after goaway a link delivers what is on its way, leaves, and comes back only later", async () => {
  await using hub = await TestHub.start();
  const core = coreOf(hub);
  const link = connect(core);
  await vi.waitFor(() => expect(link.status().connected).toBe(true));
  core.add(run("run-1", "Succeeded"));
  await hub.gateway.drain();
  expect(hub.ports.written).toMatchObject([{ uid: "run-1" }]);
  expect(link.status()).toMatchObject({ connected: false, reason: "the operator asked to connect again" });
  expect(core.entries).toEqual([]);
});

test("a lost connection is dialled again and results go on", async () => {
  await using hub = await TestHub.start();
  const core = coreOf(hub);
  const link = connect(core);
  await vi.waitFor(() => expect(link.status().epoch).toBe(1));
  hub.cutAll();
  core.add(run("run-1", "Succeeded"));
  await vi.waitFor(() => expect(link.status().epoch).toBe(2));
  await vi.waitFor(() => expect(core.entries).toEqual([]));
  expect(hub.ports.written.at(-1)).toMatchObject({ uid: "run-1" });
});
