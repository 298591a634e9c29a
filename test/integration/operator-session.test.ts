import { afterEach, beforeAll, describe, expect, test } from "vitest";
import WebSocket from "ws";
import { runID, runName } from "#protocol/names.ts";
import type { RunRecord } from "#protocol/record.ts";
import { testNamespace } from "../namespace.ts";
import { type EnrolledMachine, recordOf, testOperator } from "./operator-agents.ts";
import { createToken, enroll, type Machine, machine } from "./operator-http.ts";
import { until } from "./operator-process.ts";

const at = testNamespace();
const { create, get } = at;
const { agents, operator } = testOperator(at);

afterEach(() => agents.cut());

function condition(
  object: { status?: { conditions?: { type: string; status: string; reason: string }[] } },
  type: string,
) {
  const found = object.status?.conditions?.find((one) => one.type === type);
  return found && `${found.status} ${found.reason}`;
}

describe("a session", () => {
  test("is accepted with an epoch above the last one and shows on the Host", async () => {
    const host = await agents.enrol("lone");
    const first = await agents.session(host);
    expect(first.ack).toMatchObject({ type: "hello_ack", epoch: 1, host: { uid: host.uid, name: "lone" } });
    const shown = await get("host", "lone");
    expect(condition(shown, "Connected")).toBe("True Connected");
    expect(condition(shown, "ClockInSync")).toBe("True InSync");
    expect(shown.status.agent).toMatchObject({ restic: "0.19.1", hostname: "lone", protocol: 1 });
    expect(shown.status.session).toMatchObject({ epoch: 1, bootID: "boot-1" });
    expect(JSON.stringify(shown)).not.toContain(first.ack.nonce);

    const second = await agents.session(host, { nonce: first.ack.nonce });
    expect(second.ack.epoch).toBe(2);
    expect(await first.agent.closed).toBe(4409);
    const third = await agents.session(host, { nonce: second.ack.nonce, highestEpoch: 41 });
    expect(third.ack.epoch).toBe(42);
  });

  test("of a copy of a connected machine is refused, and the Host says so until it is enrolled again", async () => {
    const host = await agents.enrol("cloned");
    const first = await agents.session(host);
    const second = await agents.session(host, { nonce: first.ack.nonce });
    const third = await agents.session(host, { nonce: second.ack.nonce });
    const copy = await agents.session(host, { nonce: first.ack.nonce });
    expect(copy.answer).toMatchObject({ type: "error", code: "identity_conflict" });
    expect(third.agent.socket.readyState).toBe(WebSocket.OPEN);
    expect(condition(await get("host", "cloned"), "IdentityConflict")).toBe("True SecondMachine");

    const again = machine("cloned");
    const token = await createToken(at, "cloned-again", { hostName: "cloned", reenroll: true });
    expect((await enroll(operator(), token, again)).status).toBe(200);
    expect(await third.agent.closed).toBe(4409);
    expect(await agents.connect(host.who)).toBe(401);
    const fresh = await agents.session({ ...host, who: again });
    expect(fresh.ack.epoch).toBe(5);
    expect(condition(await get("host", "cloned"), "IdentityConflict")).toBeUndefined();
  });

  test("of a machine set back to a snapshot goes on, with an Event", async () => {
    const host = await agents.enrol("rolled-back");
    const first = await agents.session(host);
    const second = await agents.session(host, { nonce: first.ack.nonce });
    const third = await agents.session(host, { nonce: second.ack.nonce });
    third.agent.socket.terminate();
    const back = await until("the old session to be gone", async () => {
      const tried = await agents.session(host, { nonce: first.ack.nonce });
      return tried.answer?.type === "hello_ack" ? tried : undefined;
    });
    expect(back.ack.epoch).toBeGreaterThan(third.ack.epoch);
    // Taken for a copy while the broken connection still counted, perhaps; not for longer.
    expect(condition(await get("host", "rolled-back"), "IdentityConflict")).toBeUndefined();
    await until("the Event", async () => {
      const events = await at.kubectl(["get", "events.events.k8s.io", "-o", "jsonpath={.items[*].reason}"]);
      return events.includes("AgentRolledBack") ? true : undefined;
    });
  });
});

describe("a credential", () => {
  test.each([
    ["with another secret", (who: Machine) => machine(who.hostname), 401],
    ["of a Host that does not exist", () => machine("nobody"), 401],
  ])("%s is refused before the upgrade", async (_, other, status) => {
    const host = await agents.enrol(`credential-${status}-${_.length}`);
    expect(await agents.connect(other(host.who))).toBe(status);
  });

  test("of a revoked Host ends its session at once and never holds again, also when revoked is taken back", async () => {
    const host = await agents.enrol("revoked");
    const { agent } = await agents.session(host);
    await at.kubectl(["patch", "host", "revoked", "--type=merge", "-p", '{"spec":{"revoked":true}}']);
    expect(await agent.closed).toBe(4403);
    expect(await agents.connect(host.who)).toBe(403);
    await at.kubectl(["wait", "host/revoked", "--for=condition=Revoked", "--timeout=30s"]);
    expect((await get("secret", "holdfast-host-revoked")).data.credentialHash).toBe("");
    await at.kubectl(["patch", "host", "revoked", "--type=merge", "-p", '{"spec":{"revoked":false}}']);
    await until("the Host to be seen", async () => ((await agents.connect(host.who)) === 401 ? true : undefined));
    const plain = await enroll(operator(), await createToken(at, "revoked-plain"), machine("revoked"));
    expect(plain.code).toBe("host_exists");
  });

  test("of a deleted Host ends its session, and the ticket of this very cluster does not bring it back", async () => {
    const host = await agents.enrol("deleted");
    const { agent } = await agents.session(host);
    await at.kubectl(["delete", "host", "deleted"]);
    expect(await agent.closed).toBe(4403);
    expect(await agents.connect(host.who, host.ticket)).toBe(401);
  });
});

describe("a result", () => {
  const hash = "a".repeat(64);
  let a: EnrolledMachine;
  let b: EnrolledMachine;

  beforeAll(async () => {
    a = await agents.enrol("host-a");
    b = await agents.enrol("host-b");
    await create("Repository", "offsite", {
      url: "rest:https://backup.example.com/x/",
      passwordFrom: { host: "env:RESTIC_PASSWORD" },
    });
    await create("BackupPolicy", "etc", {
      hosts: { names: ["host-a"] },
      repository: { name: "offsite" },
      files: { paths: ["/etc"] },
    });
  });

  function ended(
    run: { name: string; uid: string },
    policy: { uid: string },
    more: Partial<RunRecord> = {},
  ): RunRecord {
    return recordOf(
      run,
      { uid: policy.uid, name: "etc" },
      {
        message: "saved",
        startTime: "2026-11-21T12:00:00.123Z",
        completionTime: "2026-11-21T12:00:09.456Z",
        exitCode: 0,
        logTail: "line\n".repeat(400),
        effective: {
          configID: hash,
          paths: Array.from({ length: 40 }, (_, i) => `/etc/${i}/${"x".repeat(300)}`),
          repository: "offsite",
        },
        snapshots: [
          {
            id: hash,
            source: "files",
            filesNew: 1,
            filesChanged: 2,
            filesUnmodified: 3,
            totalFiles: 6,
            totalBytes: 100,
            dataAddedBytes: 10,
          },
        ],
        ...more,
      },
    );
  }

  async function deliver(of: EnrolledMachine, record: RunRecord) {
    const { agent } = await agents.session(of);
    agent.send({ type: "record", stream: "stream-1", seq: 1, record });
    return until("an answer to the record", () =>
      agent.frames.find((frame) => frame.type === "ack" || frame.type === "rejected"),
    );
  }

  test("of a manual run is on its BackupRun when it is acknowledged, and under 4 KB", async () => {
    const run = await create("BackupRun", "manual-1", { policyRef: "etc", hostRef: "host-a" });
    const policy = await get("backuppolicy", "etc");
    const answer = await deliver(a, ended({ name: "manual-1", uid: run.metadata.uid }, policy.metadata));
    expect(answer).toMatchObject({ type: "ack", stream: "stream-1", seq: 1 });
    const shown = await get("backuprun", "manual-1");
    expect(shown.status).toMatchObject({
      phase: "Succeeded",
      reason: "Completed",
      attempts: 1,
      exitCode: 0,
      startTime: "2026-11-21T12:00:00Z",
    });
    expect(shown.status.snapshots).toMatchObject([{ id: hash, source: "files", dataAddedBytes: 10 }]);
    expect(condition(shown, "Ready")).toBe("True Completed");
    expect(JSON.stringify(shown).length).toBeLessThan(4096);
    // A later word of less is no news, but it is acknowledged.
    const {
      completionTime: _,
      exitCode: __,
      ...running
    } = ended({ name: "manual-1", uid: run.metadata.uid }, policy.metadata);
    expect(await deliver(a, { ...running, phase: "Running", reason: "Running" })).toMatchObject({ type: "ack" });
    expect((await get("backuprun", "manual-1")).status.phase).toBe("Succeeded");
  });

  test("of host A about host B's run is refused and changes nothing", async () => {
    const run = await create("BackupRun", "manual-2", { policyRef: "etc", hostRef: "host-a" });
    const policy = await get("backuppolicy", "etc");
    const answer = await deliver(b, ended({ name: "manual-2", uid: run.metadata.uid }, policy.metadata));
    expect(answer).toMatchObject({
      type: "rejected",
      code: "forbidden",
      message: "BackupRun manual-2 is not a manual run of Host host-b",
    });
    expect((await get("backuprun", "manual-2")).status.phase).toBe("Pending");
    await until("the condition", async () => condition(await get("host", "host-b"), "ResultsRejected"));
  });

  test("of a slot makes the BackupRun, once, owned by its policy", async () => {
    const policy = await get("backuppolicy", "etc");
    const identity = { policyUID: policy.metadata.uid, hostUID: a.uid, occasion: "2026-11-20T02:00:00Z" };
    const run = { name: runName("etc", "host-a", identity), uid: runID(identity) };
    const record = ended(run, policy.metadata, { trigger: "Schedule", scheduledTime: "2026-11-20T02:00:00Z" });
    expect(await deliver(a, record)).toMatchObject({ type: "ack" });
    expect(await deliver(a, record)).toMatchObject({ type: "ack" });
    const shown = await get("backuprun", run.name);
    expect(shown.spec).toMatchObject({ trigger: "Schedule", runID: run.uid, scheduledTime: "2026-11-20T02:00:00Z" });
    expect(shown.metadata.ownerReferences).toMatchObject([{ kind: "BackupPolicy", uid: policy.metadata.uid }]);
    expect(shown.status.phase).toBe("Succeeded");
  });

  test.each([
    ["of a slot that has not come yet", "host-a", "2099-01-01T00:00:00Z", undefined, /has not come yet/],
    [
      "under a name of the agent's choice",
      "host-a",
      "2026-11-20T03:00:00Z",
      "chosen",
      /is not what a run of this policy, host and slot is called/,
    ],
    [
      "of a policy that does not select the host",
      "host-b",
      "2026-11-20T04:00:00Z",
      undefined,
      /is not one of Host host-b/,
    ],
  ])("%s is refused", async (_, hostName, slot, name, message) => {
    const of = hostName === "host-a" ? a : b;
    const policy = await get("backuppolicy", "etc");
    const identity = { policyUID: policy.metadata.uid, hostUID: of.uid, occasion: slot };
    const run = { name: name ?? runName("etc", hostName, identity), uid: runID(identity) };
    const answer = await deliver(of, ended(run, policy.metadata, { trigger: "Schedule", scheduledTime: slot }));
    expect(answer).toMatchObject({ type: "rejected", code: "forbidden" });
    expect("message" in answer && answer.message).toMatch(message);
  });

  test("of a policy or a run that is deleted has nowhere to go and is acknowledged", async () => {
    const identity = {
      policyUID: "11111111-1111-4111-8111-111111111111",
      hostUID: a.uid,
      occasion: "2026-11-20T02:00:00Z",
    };
    const run = { name: runName("etc", "host-a", identity), uid: runID(identity) };
    const scheduled = ended(
      run,
      { uid: identity.policyUID },
      { trigger: "Schedule", scheduledTime: "2026-11-20T02:00:00Z" },
    );
    expect(await deliver(a, scheduled)).toMatchObject({ type: "ack" });
    const manual = ended({ name: "gone", uid: "22222222-2222-4222-8222-222222222222" }, { uid: identity.policyUID });
    expect(await deliver(a, manual)).toMatchObject({ type: "ack" });
  });
});

test("SIGTERM says goaway to agents and ends the operator cleanly; sessions go on with a higher epoch after it", async () => {
  const host = await agents.enrol("drained");
  const { agent, ack } = await agents.session(host);
  const stopping = operator().stop();
  await agent.next("goaway");
  agent.socket.close();
  expect(await stopping).toBe(0);
  expect(operator().log()).not.toMatch(/"level":"error"/);
  await operator().start();
  const next = await agents.session(host, { nonce: ack.nonce });
  expect(next.ack.epoch).toBe(ack.epoch + 1);
});

test("an operator built again around the same installation Secret adopts its agents by their tickets", async () => {
  const host = await agents.enrol("adopted");
  const { ack } = await agents.session(host);
  await operator().stop();
  const { data, metadata, type } = await get("secret", "holdfast-installation");
  for (const name of ["host/adopted", "secret/holdfast-host-adopted", "secret/holdfast-installation"]) {
    await at.kubectl(["delete", name, "--ignore-not-found"]);
  }
  const again = { apiVersion: "v1", kind: "Secret", metadata: { name: metadata.name }, type, data };
  await at.kubectl(["create", "-f", "-"], JSON.stringify(again));
  await operator().start();
  expect(await agents.connect(host.who)).toBe(401);
  expect(await agents.connect(machine("adopted"), host.ticket)).toBe(401);
  const adopted = await agents.session(host, { nonce: ack.nonce, highestEpoch: ack.epoch });
  expect(adopted.ack.clusterID).toBe(ack.clusterID);
  expect(adopted.ack.host.uid).not.toBe(host.uid);
  expect(condition(await get("host", "adopted"), "Connected")).toBe("True Connected");
});
