import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { LogReader } from "../e2e/log-reader.ts";
import { testNamespace } from "../namespace.ts";
import { RawAgents, recordOf } from "./operator-agents.ts";
import { condition, type OperatorProcess, startOperator, until } from "./operator-process.ts";

const at = testNamespace();
const { create, get } = at;
let left: OperatorProcess;
let right: OperatorProcess;
/** Where the agents go next. */
let here: OperatorProcess;
const agents = new RawAgents(at, () => here);

beforeAll(async () => {
  left = await startOperator(at.cluster, at.namespace, { HOLDFAST_REPLICA: "left" });
  right = await startOperator(at.cluster, at.namespace, { HOLDFAST_REPLICA: "right" });
  here = left;
});

afterEach(() => agents.cut());

afterAll(async () => {
  await Promise.all([left?.stop("SIGKILL"), right?.stop("SIGKILL")]);
});

test("an agent that moves to another replica ends its session at the one before, and a result goes through the new one", async () => {
  here = left;
  const host = await agents.enrol("mover");
  const first = await agents.session(host);
  const policy = await create("BackupPolicy", "moved", {
    hosts: { names: ["mover"] },
    repository: { name: "missing" },
    files: { paths: ["/srv"] },
  });
  const run = await create("BackupRun", "moved", { policyRef: "moved", hostRef: "mover" });
  here = right;
  const second = await agents.session(host, { nonce: first.ack.nonce });
  expect(second.ack.epoch).toBe(first.ack.epoch + 1);
  expect(await first.agent.closed).toBe(4409);
  const record = recordOf(run.metadata, policy.metadata);
  second.agent.send({ type: "record", stream: "s", seq: 1, record });
  await second.agent.next("ack");
  expect((await get("backuprun", "moved")).status.phase).toBe("Succeeded");
  expect((await get("host", "mover")).status.session.replica).toMatch(/^right-/);
});

test("an agent that comes back to a replica with a newer configuration than that one knew counts as up to date", async () => {
  here = left;
  const host = await agents.enrol("returner");
  const first = await agents.session(host);
  const old = await first.agent.next("config");
  first.agent.send({ type: "config_applied", id: old.config.id });
  await condition(at, "host", "returner", "ConfigApplied", "True Applied");

  here = right;
  const second = await agents.session(host, { nonce: first.ack.nonce });
  await create("BackupPolicy", "newer", {
    hosts: { names: ["returner"] },
    repository: { name: "missing" },
    files: { paths: ["/srv"] },
  });
  const newer = await until("the config with the policy", () => {
    const found = second.agent.frames.find((frame) => frame.type === "config" && frame.config.policies.length > 0);
    return found?.type === "config" ? found.config : undefined;
  });
  second.agent.send({ type: "config_applied", id: newer.id });
  await condition(at, "host", "returner", "ConfigApplied", "True Applied");

  here = left;
  const config = { id: newer.id, policies: newer.policies.map(({ uid }) => uid) };
  await agents.session(host, { nonce: second.ack.nonce, config });
  await condition(at, "host", "returner", "ConfigApplied", "True Applied");
});

test("a log is read at the replica without the agent, harmless whatever that sends, and a follower hears when it moves", async () => {
  for (const args of [
    ["serviceaccount", "reader"],
    ["role", "reader", "--verb=get", "--resource=backupruns.holdfast.dev/log"],
    ["rolebinding", "reader", "--role=reader", `--serviceaccount=${at.namespace}:reader`],
  ])
    await at.kubectl(["create", ...args]);
  const token = (await at.kubectl(["create", "token", "reader"])).trim();
  here = left;
  const host = await agents.enrol("teller");
  const first = await agents.session(host);
  const run = await create("BackupRun", "told", { policyRef: "missing", hostRef: "teller" });
  const path = `/api/v1/namespaces/${at.namespace}/backupruns/told/log?follow=true`;
  // The right to it, and where its agent is, come to that replica a moment later.
  const opened = until("the log to be read", () =>
    LogReader.open({ port: right.port, ca: right.ca, path, token }).catch((error: Error) => {
      if (!/403|host_offline/.test(error.message)) throw error;
      return undefined;
    }),
  );
  const { id, subject } = await first.agent.next("read_log");
  expect(subject).toEqual({ kind: "run", uid: run.metadata.uid });
  first.agent.send({ type: "log_chunk", id, offset: 0, next: 9, text: "a\u001b[2J\u202eb\n", size: 9, ended: false });
  const reader = await opened;
  await until("the first words", () => reader.text === "ab\n" || undefined);
  here = right;
  await agents.session(host, { nonce: first.ack.nonce });
  await reader.closed;
  expect(reader).toMatchObject({ lastID: "9", error: { code: "host_moved" } });
});
