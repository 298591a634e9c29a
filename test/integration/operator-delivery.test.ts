import { beforeAll, expect, test } from "vitest";
import type { RunRecord, TaskRecord } from "#protocol/record.ts";
import { testNamespace } from "../namespace.ts";
import { type EnrolledMachine, type RawAgent, recordOf, testOperator } from "./operator-agents.ts";
import { condition, until } from "./operator-process.ts";

const at = testNamespace();
const { create, get } = at;
const { agents, operator } = testOperator(at);
const repositoryID = "c".repeat(64);
const password = "correct horse battery staple";
let host: EnrolledMachine;
let agent: RawAgent;
let seq = 0;

beforeAll(async () => {
  host = await agents.enrol("web-1");
  agent = (await agents.session(host)).agent;
});

async function deliver(record: RunRecord | TaskRecord): Promise<void> {
  agent.send({ type: "record", stream: "stream-1", seq: ++seq, record });
  expect(await agent.next("ack")).toMatchObject({ stream: "stream-1", seq });
}

test("a repository is opened by the agent chosen for it, which gets its secrets; a try that fails shows while it goes on", async () => {
  await at.kubectl(["create", "secret", "generic", "offsite", `--from-literal=password=${password}`]);
  await create("Repository", "offsite", {
    url: "rest:https://backup.example.com/web/",
    passwordFrom: { secretKeyRef: { name: "offsite", key: "password" } },
    initialize: true,
  });
  await create("BackupPolicy", "www", {
    hosts: { names: ["web-1"] },
    repository: { name: "offsite" },
    files: { paths: ["/srv/www"] },
  });
  const task = await agent.next("task");
  expect(task).toMatchObject({
    action: "Init",
    create: true,
    repository: { name: "offsite", password: { value: password } },
  });
  agent.send({ type: "command_status", id: task.id, state: "accepted" });
  agent.send({
    type: "progress",
    kind: "task",
    uid: task.id,
    name: "offsite",
    attempt: 1,
    phase: "Running",
    reason: "RepositoryUnreachable",
    message: "no route to backup.example.com",
  });
  await until("lastOpen to say why", async () => {
    const { status } = await get("repository", "offsite");
    return status?.lastOpen?.reason === "RepositoryUnreachable" && status.lastOpen.phase === "Running"
      ? true
      : undefined;
  });
  const { metadata } = await get("repository", "offsite");
  await deliver({
    kind: "task",
    action: "Init",
    uid: task.id,
    name: "offsite",
    attempt: 1,
    phase: "Succeeded",
    reason: "Completed",
    message: "created",
    repositoryUID: metadata.uid,
    repositoryID,
    created: true,
  });
  const { status } = await get("repository", "offsite");
  expect(status).toMatchObject({
    repositoryID,
    lastOpen: { phase: "Succeeded", hostRef: "web-1", created: true, observedGeneration: 1 },
  });
  await condition(at, "repository", "offsite", "Ready", "True Opened");
});

test("its policy reaches the agent, and the Host says so once it is on its disk", async () => {
  const policy = await get("backuppolicy", "www");
  const config = await until("the config with the policy", () => {
    const found = agent.frames.findLast((frame) => frame.type === "config");
    return found?.type === "config" && found.config.policies.some((one) => "files" in one) ? found.config : undefined;
  });
  expect(config.policies).toMatchObject([{ uid: policy.metadata.uid, name: "www", files: { paths: ["/srv/www"] } }]);
  expect(config.repositories).toMatchObject([{ name: "offsite", repositoryID, password: { value: password } }]);
  agent.send({ type: "config_applied", id: config.id });
  await condition(at, "host", "web-1", "ConfigApplied", "True Applied");
  await until("desired and applied to agree", async () => {
    const { status } = await get("host", "web-1");
    return status.config?.desired === config.id && status.config.applied === config.id ? true : undefined;
  });
  await condition(at, "backuppolicy", "www", "Ready", "True Ready");
});

function running(run: { metadata: { name: string; uid: string } }, policyUID: string): RunRecord {
  const how = { phase: "Running", reason: "Running", startTime: new Date().toISOString() } as const;
  return recordOf(run.metadata, { uid: policyUID, name: "www" }, how);
}

test("a BackupRun becomes a command at once; its progress and its result become its status, in three writes", async () => {
  const policyUID = (await get("backuppolicy", "www")).metadata.uid;
  const run = await create("BackupRun", "now", { policyRef: "www", hostRef: "web-1", overrides: { tags: ["x"] } });
  const command = await agent.next("run");
  expect(command).toMatchObject({ id: run.metadata.uid, name: "now", policyUID, overrides: { tags: ["x"] } });
  agent.send({ type: "command_status", id: command.id, state: "accepted" });
  const progress = (percent: number, reason = "Running") =>
    agent.send({
      type: "progress",
      kind: "run",
      uid: command.id,
      name: "now",
      attempt: 1,
      phase: "Running",
      reason,
      message: "",
      progress: { percent },
    });
  progress(1);
  await deliver({ ...running(run, policyUID), progress: { percent: 0 } });
  progress(7);
  progress(12, "RepositoryLocked");
  await until("the new reason", async () => {
    const { status } = await get("backuprun", "now");
    return status.reason === "RepositoryLocked" ? status : undefined;
  });
  const shown = await get("backuprun", "now");
  expect(shown.status).toMatchObject({ phase: "Running", progress: { percent: 12 } });
  await deliver({
    ...running(run, policyUID),
    phase: "Succeeded",
    reason: "Completed",
    completionTime: new Date().toISOString(),
    exitCode: 0,
  });
  const ended = await get("backuprun", "now");
  expect(ended.status).toMatchObject({ phase: "Succeeded", exitCode: 0 });
  expect(ended.status.progress).toBeUndefined();
  const writes = await statusWrites("now");
  // Running, the new reason, the end: what only repeats is no write.
  expect(writes).toBe(3);
});

/** How often the operator wrote the status of a BackupRun, by the API server's own count. */
async function statusWrites(run: string): Promise<number> {
  const { readFileSync } = await import("node:fs");
  const lines = readFileSync(at.cluster.auditLog, "utf8")
    .split("\n")
    .filter((line) => line.includes(at.namespace));
  return lines
    .map((line) => JSON.parse(line))
    .filter(({ objectRef, verb }) => objectRef?.resource === "backupruns" && objectRef.name === run && verb === "patch")
    .length;
}

test("a command the agent refuses ends its run with the agent's words, one that comes too late with its deadline", async () => {
  for (const [name, state, reason] of [
    ["refused", "refused", "HostRefused"],
    ["late", "expired", "DeadlineExceeded"],
  ] as const) {
    await create("BackupRun", name, { policyRef: "www", hostRef: "web-1" });
    const { id } = await agent.next("run");
    agent.send({ type: "command_status", id, state, message: "the queue is full" });
    const { status } = await until(`${name} to fail`, async () => {
      const run = await get("backuprun", name);
      return run.status.phase === "Failed" ? run : undefined;
    });
    expect(status).toMatchObject({ reason, message: "the queue is full" });
  }
});

test("a cancelled run is told to the agent", async () => {
  const run = await create("BackupRun", "cancelled", { policyRef: "www", hostRef: "web-1" });
  await agent.next("run");
  await at.kubectl(["patch", "backuprun", "cancelled", "--type=merge", "-p", '{"spec":{"cancel":true}}']);
  const cancel = await agent.next("cancel");
  expect(cancel).toMatchObject({ subject: { kind: "run", uid: run.metadata.uid, name: "cancelled" } });
});

test("a Restore becomes a command with the access to its repository, and its result its status", async () => {
  const restore = await create("Restore", "back", {
    source: { repository: "offsite", policy: "www" },
    target: { hostRef: "web-1", path: "/var/lib/holdfast/restore/back" },
  });
  const command = await agent.next("restore");
  expect(command).toMatchObject({
    id: restore.metadata.uid,
    repository: { password: { value: password }, repositoryID },
  });
  agent.send({ type: "command_status", id: command.id, state: "accepted" });
  agent.send({
    type: "record",
    stream: "stream-1",
    seq: ++seq,
    record: {
      kind: "restore",
      uid: restore.metadata.uid,
      name: "back",
      attempt: 1,
      phase: "Succeeded",
      reason: "Completed",
      message: "",
      completionTime: new Date().toISOString(),
      snapshotID: "d".repeat(64),
      restored: { files: 3, filesSkipped: 0, bytes: 30, bytesSkipped: 0, errors: 0 },
    },
  });
  await agent.next("ack");
  expect((await get("restore", "back")).status).toMatchObject({ phase: "Succeeded", restored: { files: 3 } });
});

test("a repository with another id at its address is refused, and the pinned one stays", async () => {
  await create("Repository", "pinned", {
    url: "rest:https://backup.example.com/p/",
    passwordFrom: { host: "env:RESTIC_PASSWORD" },
  });
  await create("BackupPolicy", "other", {
    hosts: { names: ["web-1"] },
    repository: { name: "pinned" },
    files: { paths: ["/srv"] },
  });
  const first = await agent.next("task");
  expect(first).toMatchObject({
    create: false,
    repository: { name: "pinned", password: { host: "env:RESTIC_PASSWORD" } },
  });
  const { metadata } = await get("repository", "pinned");
  const result = {
    kind: "task",
    action: "Init",
    name: "pinned",
    attempt: 1,
    phase: "Succeeded",
    reason: "Completed",
    message: "",
    repositoryUID: metadata.uid,
  } as const;
  await deliver({ ...result, uid: first.id, repositoryID });
  await deliver({ ...result, uid: `${first.id}2`, repositoryID: "e".repeat(64) });
  const { status } = await get("repository", "pinned");
  expect(status).toMatchObject({ repositoryID, lastOpen: { phase: "Failed", reason: "RepositoryMismatch" } });
});

test("nothing secret is in the log, all that was handed out is in its audit lines, and no right was missing", async () => {
  const log = operator().log();
  expect(log).not.toContain(password);
  expect(log).not.toContain(host.who.secret);
  const audits = log
    .split("\n")
    .filter((line) => line.includes('"audit":'))
    .map((line) => JSON.parse(line));
  const actions = new Set(audits.map(({ audit }) => audit));
  for (const action of [
    "token-used",
    "host-created",
    "credential-written",
    "session-accepted",
    "repository-pinned",
    "credentials-delivered",
    "command-delivered",
  ]) {
    expect(actions).toContain(action);
  }
  expect(log).not.toMatch(/forbidden|"level":"error"/i);
});
