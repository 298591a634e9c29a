import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Command } from "#protocol/command.ts";
import type { Record } from "#protocol/record.ts";
import type { ProgressReport } from "../../agent/link/core.ts";
import { type RestServer, startRestServer } from "../../hack/rest-server/rest-server.ts";
import {
  access,
  cancelCommand,
  config,
  openAgent,
  PASSWORD,
  policy,
  restoreCommand,
  runCommand,
  taskCommand,
  temporaryFolder,
  tools,
  until,
} from "./agent-world.ts";

/** These tests kill a real agent process, with and without its restic, in the middle of a long backup. */

interface Child {
  process: ChildProcess;
  records: Record[];
  progress: ProgressReport[];
  answers: object[];
  /** UIDs it went on with when it started. */
  active: string[] | undefined;
  send(line: object): void;
  record(uid: string): Record | undefined;
  ended(uid: string): Promise<Record>;
  kill(signal: NodeJS.Signals): Promise<void>;
}

let folder: ReturnType<typeof temporaryFolder>;
let source: string;
let server: RestServer;
let id: string;
let children: Child[];

beforeEach(async () => {
  folder = temporaryFolder();
  source = `${folder.path}/source`;
  children = [];
  mkdirSync(source);
  writeFileSync(`${source}/large`, randomBytes(3 * 1024 * 1024));
  server = await startRestServer({ plain: true, directory: `${folder.path}/repositories` });
  const agent = await openAgent(folder.path);
  id = (await agent.task(taskCommand(access(`${server.url}main/`), true))).repositoryID!;
  agent.core.outbox.ack(agent.core.outbox.stream, Number.MAX_SAFE_INTEGER);
  await agent.close();
});

afterEach(async () => {
  for (const child of children) await child.kill("SIGKILL");
  for (const pid of resticPids()) process.kill(pid, "SIGKILL");
  await server.stop();
  await folder.remove();
});

const pinned = () => access(`${server.url}main/`, { repositoryID: id });
const slow = () => config([policy([source], { limits: { uploadKiBps: 400 } })], [pinned()]);

async function start(): Promise<Child> {
  const program = spawn(process.execPath, [fileURLToPath(new URL("agent-child.ts", import.meta.url)), folder.path], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const child: Child = {
    process: program,
    records: [],
    progress: [],
    answers: [],
    active: undefined,
    send: (line) => program.stdin.write(`${JSON.stringify(line)}\n`),
    record: (uid) => child.records.findLast((record) => record.uid === uid),
    ended: (uid) =>
      until(`the end of ${uid}`, () => {
        const record = child.record(uid);
        return record?.completionTime === undefined ? undefined : record;
      }),
    async kill(signal) {
      if (program.exitCode !== null || program.signalCode !== null) return;
      const exit = new Promise((resolve) => program.once("exit", resolve));
      program.kill(signal);
      await exit;
    },
  };
  children.push(child);
  createInterface({ input: program.stdout }).on("line", (text) => {
    const line = JSON.parse(text);
    if (line.record !== undefined) child.records.push(line.record);
    if (line.progress !== undefined) child.progress.push(line.progress);
    if (line.answer !== undefined) child.answers.push(line.answer);
    if (line.active !== undefined) child.active = line.active;
  });
  await until("the agent has started", () => child.active);
  return child;
}

/** Starts a backup on `child` and waits until restic sends data. */
async function begun(child: Child, command: Command): Promise<void> {
  child.send({ config: slow() });
  child.send({ command });
  await until("restic works", () =>
    child.progress.some(({ uid, progress }) => uid === command.id && (progress?.bytesDone ?? 0) > 0),
  );
}

/** Processes whose arguments name this test's folder: shims and resties of its agents, by their run folders and paths. */
function resticPids(): number[] {
  return readdirSync("/proc").flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return [];
    try {
      const argv = readFileSync(`/proc/${entry}/cmdline`, "utf8");
      const isChild = argv.includes("agent-child.ts") || argv.includes("rest-server");
      return argv.includes(folder.path) && !isChild ? [Number(entry)] : [];
    } catch {
      return [];
    }
  });
}

async function snapshots(uid: string): Promise<unknown[]> {
  const { restic } = await tools();
  const env = {
    RESTIC_REPOSITORY: `${server.url}main/`,
    RESTIC_PASSWORD: PASSWORD,
    RESTIC_CACHE_DIR: `${folder.path}/other`,
  };
  return JSON.parse(
    execFileSync(restic, ["snapshots", "--json", "--no-lock", "--tag", `run=${uid}`], { env, encoding: "utf8" }),
  );
}

describe("kill -9 of the agent in the middle of a backup", () => {
  test("restic goes on, the next agent adopts it: one snapshot, one result, one attempt", async () => {
    const first = await start();
    const command = runCommand();
    await begun(first, command);
    const restics = resticPids();
    expect(restics.length).toBeGreaterThan(0);
    // However long the next agent takes to start, restic is not through by then.
    for (const pid of restics) process.kill(pid, "SIGSTOP");
    await first.kill("SIGKILL");
    expect(resticPids()).toEqual(restics);

    const second = await start();
    expect(second.active).toEqual([command.id]);
    for (const pid of restics) process.kill(pid, "SIGCONT");
    expect(await second.ended(command.id)).toMatchObject({
      phase: "Succeeded",
      attempt: 1,
      exitCode: 0,
      snapshots: [{ totalFiles: 1 }],
    });
    expect(await snapshots(command.id)).toHaveLength(1);
    expect(second.progress.some(({ uid, progress }) => uid === command.id && progress !== undefined)).toBe(true);
  });

  test("a restic that ends while no agent is there is told by its recorded exit", async () => {
    const first = await start();
    const command = runCommand();
    await begun(first, command);
    await first.kill("SIGKILL");
    await until("restic has ended", () => resticPids().length === 0);
    const second = await start();
    expect(await second.ended(command.id)).toMatchObject({ phase: "Succeeded", attempt: 1, exitCode: 0 });
    expect(await snapshots(command.id)).toHaveLength(1);
  });

  test("and of restic too: the run is Interrupted and tried once more", async () => {
    const first = await start();
    const command = runCommand();
    await begun(first, command);
    await first.kill("SIGKILL");
    for (const pid of resticPids()) process.kill(pid, "SIGKILL");
    const second = await start();
    expect(await second.ended(command.id)).toMatchObject({ phase: "Succeeded", attempt: 2 });
    expect(
      second.records.some(
        ({ uid, phase, reason }) => uid === command.id && phase === "Running" && reason === "Interrupted",
      ),
    ).toBe(true);
    expect(await snapshots(command.id)).toHaveLength(1);
  });

  test("and of restic after its snapshot was saved: the repository is asked, and nothing is sent twice", async () => {
    const first = await start();
    const command = runCommand();
    await begun(first, command);
    // The shim dies with the agent, restic ends alone: nobody records its exit.
    const shims = resticPids().filter((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith("/bin/sh"));
    expect(shims).toHaveLength(1);
    await first.kill("SIGKILL");
    process.kill(shims[0]!, "SIGKILL");
    await until("restic has ended", () => resticPids().length === 0);
    const second = await start();
    const record = await second.ended(command.id);
    expect(record).toMatchObject({ phase: "Succeeded", attempt: 1, snapshots: [{ totalFiles: 1 }] });
    expect(record.message).toContain("the repository holds the snapshot");
    expect(await snapshots(command.id)).toHaveLength(1);
  });

  test("a cancel reaches a restic that was adopted", async () => {
    const first = await start();
    const command = runCommand();
    await begun(first, command);
    await first.kill("SIGKILL");
    const second = await start();
    second.send({ command: cancelCommand("run", command.id) });
    expect(await second.ended(command.id)).toMatchObject({ phase: "Cancelled", attempt: 1 });
    expect(readdirSync(`${folder.path}/repositories/data/main/locks`)).toEqual([]);
    expect(await snapshots(command.id)).toEqual([]);
  });

  test("a cancel that the killed agent had asked for is gone through: no restic is left behind", async () => {
    const first = await start();
    const command = runCommand();
    await begun(first, command);
    const restics = resticPids();
    for (const pid of restics) process.kill(pid, "SIGSTOP");
    first.send({ command: cancelCommand("run", command.id) });
    await until("the cancel is in the journal", () => first.answers.length === 2);
    await first.kill("SIGKILL");
    const second = await start();
    const log = `${folder.path}/state/runs/run-${command.id}/log`;
    const said = await until(
      "the run is gone on with",
      () => /goes on after a restart|ended/.exec(readFileSync(log, "utf8")) ?? undefined,
    );
    expect(said[0]).toBe("goes on after a restart");
    for (const pid of restics) process.kill(pid, "SIGCONT");
    expect(await second.ended(command.id)).toMatchObject({ phase: "Cancelled", attempt: 1 });
    expect(resticPids()).toEqual([]);
    expect(readdirSync(`${folder.path}/repositories/data/main/locks`)).toEqual([]);
    expect(await snapshots(command.id)).toEqual([]);
  });

  test("its log goes on without a line twice", async () => {
    const first = await start();
    const command = runCommand();
    first.send({
      config: config(
        [policy([`/proc/${first.process.pid}/mem`, source], { limits: { uploadKiBps: 400 } })],
        [pinned()],
      ),
    });
    first.send({ command });
    await until("restic works", () =>
      first.progress.some(({ progress }) => (progress?.errors ?? 0) > 0 && (progress?.bytesDone ?? 0) > 0),
    );
    await first.kill("SIGKILL");
    const second = await start();
    expect(await second.ended(command.id)).toMatchObject({ phase: "PartiallyFailed", unreadFiles: { count: 1 } });
    const log = readFileSync(`${folder.path}/state/runs/run-${command.id}/log`, "utf8");
    expect(log.match(/failed to save/g)).toHaveLength(1);
    expect(log).toContain("goes on after a restart");
  });
});

test("a restic that is killed when its snapshot is saved has succeeded: nothing is sent twice", async () => {
  const killed = `${folder.path}/restic`;
  const kill = `case "$*" in *backup*) kill -9 $$ ;; esac`;
  writeFileSync(killed, `#!/bin/sh\n'${(await tools()).restic}' "$@"\ncode=$?\n${kill}\nexit $code\n`, { mode: 0o755 });
  const agent = await openAgent(folder.path, { resticPath: killed });
  agent.core.applyConfig(config([policy([source])], [pinned()]));
  const record = await agent.run(runCommand());
  await agent.close();
  expect(record).toMatchObject({ phase: "Succeeded", attempt: 1, exitCode: 137, snapshots: [{ totalFiles: 1 }] });
  expect(record.message).toContain("the repository holds the snapshot");
  expect(await snapshots(record.uid)).toHaveLength(1);
});

test("a repository that could not say whether the snapshot was saved is asked again before the next attempt", async () => {
  const killed = `${folder.path}/restic`;
  const refused = `${folder.path}/refused`;
  const kill = `case "$*" in *backup*) kill -9 $$ ;; esac`;
  const refuse = `case "$*" in *snapshots*) if mkdir '${refused}' 2>/dev/null; then exit 1; fi ;; esac`;
  const script = `#!/bin/sh\n${refuse}\n'${(await tools()).restic}' "$@"\ncode=$?\n${kill}\nexit $code\n`;
  writeFileSync(killed, script, { mode: 0o755 });
  const agent = await openAgent(folder.path, { resticPath: killed });
  agent.core.applyConfig(config([policy([source])], [pinned()]));
  const record = await agent.run(runCommand());
  await agent.close();
  expect(existsSync(refused)).toBe(true);
  expect(record).toMatchObject({ phase: "Succeeded", attempt: 2, snapshots: [{ totalFiles: 1 }] });
  expect(await snapshots(record.uid)).toHaveLength(1);
});

test("SIGTERM lets go of restic: the agent ends at once, and the next one adopts", async () => {
  const first = await start();
  const command = runCommand();
  await begun(first, command);
  first.process.stdin!.end();
  await until("the agent has ended", () => first.process.exitCode !== null, 5_000);
  expect(resticPids().length).toBeGreaterThan(0);
  const second = await start();
  expect(await second.ended(command.id)).toMatchObject({ phase: "Succeeded", attempt: 1 });
  expect(await snapshots(command.id)).toHaveLength(1);
});

test("a restic whose repository may not be opened any more is adopted all the same, and nothing new begins", async () => {
  const first = await openAgent(folder.path, { environment: { HOLDFAST_SECRET_MAIN: PASSWORD } });
  const repository = { ...pinned(), password: { host: "env:HOLDFAST_SECRET_MAIN" } };
  first.core.applyConfig(config([policy([source], { limits: { uploadKiBps: 400 } })], [repository]));
  const [running, queued] = [runCommand(), runCommand()];
  first.core.command(running);
  first.core.command(queued);
  await until("restic works", () => first.progress.some(({ progress }) => (progress?.bytesDone ?? 0) > 0));
  await first.close();

  const second = await openAgent(folder.path, { environment: {} });
  expect(await second.ended(running.id)).toMatchObject({ phase: "Succeeded", attempt: 1, exitCode: 0 });
  expect(await second.ended(queued.id)).toMatchObject({ phase: "Failed", reason: "SecretMissing" });
  await second.close();
  expect(await snapshots(running.id)).toHaveLength(1);
});

test("a queued backup begins with the next agent", async () => {
  const first = await start();
  const [running, queued] = [runCommand(), runCommand()];
  await begun(first, running);
  first.send({ command: queued });
  await until("it is queued", () => first.progress.some(({ uid }) => uid === queued.id));
  await first.kill("SIGKILL");
  const second = await start();
  expect(second.active).toEqual([running.id, queued.id]);
  expect(await second.ended(queued.id)).toMatchObject({ phase: "Succeeded", attempt: 1 });
});

describe("kill -9 of the agent in the middle of a restore", () => {
  test("restic goes on, and the next agent reports its result", async () => {
    const first = await start();
    const backup = runCommand();
    first.send({ config: config([policy([source])], [pinned()]) });
    first.send({ command: backup });
    await first.ended(backup.id);
    const command = restoreCommand(pinned(), `${folder.path}/restored`, { limits: { downloadKiBps: 300 } });
    const later = restoreCommand(pinned(), `${folder.path}/restored/later`);
    first.send({ command });
    first.send({ command: later });
    await until("restic restores", () =>
      first.progress.some(({ uid, progress }) => uid === command.id && progress !== undefined),
    );
    await first.kill("SIGKILL");

    const second = await start();
    expect(await second.ended(command.id)).toMatchObject({
      phase: "Succeeded",
      snapshotID: expect.any(String),
      restored: { errors: 0 },
    });
    expect(readFileSync(`${folder.path}/restored${source}/large`).equals(readFileSync(`${source}/large`))).toBe(true);
    // One that had not begun has lost its access to the repository, which is kept in memory only.
    expect(await second.ended(later.id)).toMatchObject({ phase: "Failed", reason: "Interrupted" });
  });
});
