import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "#base/clock.ts";
import { sha256 } from "#protocol/canonical.ts";
import { type RestServer, startRestServer } from "../../hack/rest-server/rest-server.ts";
import {
  access,
  cancelCommand,
  config,
  HOST,
  openAgent,
  PASSWORD,
  policy,
  quiet,
  runCommand,
  type TestAgent,
  taskCommand,
  temporaryFolder,
  tools,
  until,
} from "./agent-world.ts";

const folder = temporaryFolder();
const otherCache = temporaryFolder();
const source = `${folder.path}/source`;
let server: RestServer;
let agent: TestAgent;
let id: string;

beforeAll(async () => {
  mkdirSync(`${source}/sub`, { recursive: true });
  writeFileSync(`${source}/a.txt`, "one");
  writeFileSync(`${source}/sub/b.txt`, "two");
  server = await startRestServer({ plain: true, directory: `${folder.path}/repositories` });
  agent = await openAgent(folder.path);
  id = (await agent.task(taskCommand(access(`${server.url}main/`), true))).repositoryID!;
});

afterAll(async () => {
  await agent?.close();
  await server?.stop();
  await folder.remove();
  await otherCache.remove();
});

const pinned = () => access(`${server.url}main/`, { repositoryID: id });
const apply = (...args: Parameters<typeof config>) =>
  expect(agent.core.applyConfig(config(...args))).toHaveProperty("applied");

describe("a backup", () => {
  test("saves one snapshot with our host and tags, and its numbers", async () => {
    apply([policy([source], { tags: ["team-a"] })], [pinned()]);
    const command = runCommand();
    const run = await agent.run(command);
    expect(run).toMatchObject({
      phase: "Succeeded",
      reason: "Completed",
      attempt: 1,
      exitCode: 0,
      trigger: "Manual",
      policy: { uid: "policy-uid-1", name: "nightly" },
      effective: { paths: [source], repository: "main" },
      snapshots: [{ source: "files", totalFiles: 2, totalBytes: 6 }],
    });
    const [snapshot] = await snapshots(`run=${command.id}`);
    expect(snapshot).toMatchObject({
      id: run.snapshots[0]!.id,
      hostname: HOST.name,
      tags: ["holdfast", "cluster=cluster-1", "policy=backups/nightly", "source=files", `run=${command.id}`, "team-a"],
    });
    expect(agent.core.active()).not.toContain(command.id);
  });

  test("tells of itself from the start: first queued, then running", async () => {
    const command = runCommand();
    await agent.run(command);
    const phases = agent.progress.filter(({ uid }) => uid === command.id).map(({ phase }) => phase);
    expect(phases[0]).toBe("Queued");
    expect(phases).toContain("Running");
  });

  test("leaves no password behind, neither on disk nor in memory files", async () => {
    apply([policy([source])], [pinned()]);
    const command = runCommand();
    const run = agent.run(command);
    const memory = `${folder.path}/run/holdfast-agent-${process.getuid!()}-${sha256(`${folder.path}/state`).slice(0, 12)}`;
    await until("restic has its password file", () => existsSync(memory));
    await run;
    await until("the password file is gone", () => !existsSync(memory));
    // grep ends with 1 where it finds nothing.
    const places = [`${folder.path}/state`, `${folder.path}/cache`];
    const found = execFileSync("/bin/sh", ["-c", 'grep -rlaF "$0" "$@" || true', PASSWORD, ...places], {
      encoding: "utf8",
    });
    expect(found).toBe("");
  });

  test("with exit 3 is partial: the snapshot is there, unread files are counted and named", async () => {
    // Reading a process's memory at address 0 is an I/O error for anyone, root included.
    const unreadable = `/proc/${process.pid}/mem`;
    apply([policy([source, unreadable])], [pinned()]);
    const run = await agent.run(runCommand());
    expect(run).toMatchObject({
      phase: "PartiallyFailed",
      reason: "UnreadFiles",
      exitCode: 3,
      unreadFiles: { count: 1, first: [unreadable] },
    });
    expect(run.snapshots).toHaveLength(1);
  });

  test("of a path that does not exist fails before restic begins", async () => {
    apply([policy([source, `${source}/nothing`])], [pinned()]);
    const run = await agent.run(runCommand());
    expect(run).toMatchObject({ phase: "Failed", reason: "PathMissing", snapshots: [] });
    expect(run.message).toContain(`${source}/nothing`);
  });

  test("of a folder with fewer files than minFiles fails", async () => {
    const files = { ...policy([source]).files, minFiles: 3 };
    apply([policy([source], { files })], [pinned()]);
    expect(await agent.run(runCommand())).toMatchObject({ phase: "Failed", reason: "TooFewFiles" });
  });

  test("of a folder that is to be a mount point and is none fails", async () => {
    const files = { ...policy([source]).files, requireMountpoint: true };
    apply([policy([source], { files })], [pinned()]);
    expect(await agent.run(runCommand())).toMatchObject({ phase: "Failed", reason: "NotMountpoint" });
  });

  test("leaves out what the policy excludes, and the agent's own state", async () => {
    const files = { ...policy([folder.path]).files, exclude: [`${folder.path}/repositories`, "*.txt"] };
    apply([policy([folder.path], { files })], [pinned()]);
    const command = runCommand();
    const run = await agent.run(command);
    expect(run.phase).toBe("Succeeded");
    expect(run.snapshots[0]!.totalFiles).toBe(0);
  });

  test("leaves out the agent's own state whatever the policy brings back", async () => {
    const files = { ...policy([folder.path]).files, exclude: [`${folder.path}/repositories`, `!${folder.path}/state`] };
    apply([policy([folder.path], { files })], [pinned()]);
    const run = await agent.run(runCommand());
    expect(run).toMatchObject({ phase: "Succeeded", snapshots: [{ totalFiles: 2 }] });
  });

  test("of the agent's own state is refused", async () => {
    apply([policy([`${folder.path}/state`])], [pinned()]);
    const run = await agent.run(runCommand());
    expect(run).toMatchObject({ phase: "Failed", reason: "HostRefused" });
    expect(run.message).toContain("the agent's own state");
  });

  test("that is a dry run saves nothing", async () => {
    apply([policy([source])], [pinned()]);
    const command = runCommand({ overrides: { dryRun: true } });
    expect(await agent.run(command)).toMatchObject({ phase: "Succeeded", dryRun: true, snapshots: [] });
    expect(await snapshots(`run=${command.id}`)).toEqual([]);
  });

  test("into a repository with another id than the pinned one is stopped and says both ids", async () => {
    const pin = "b".repeat(64);
    apply([policy([source])], [access(`${server.url}main/`, { repositoryID: pin })]);
    const run = await agent.run(runCommand());
    expect(run).toMatchObject({ phase: "Failed", reason: "RepositoryMismatch", snapshots: [] });
    expect(run.message).toContain(pin);
    expect(run.message).toContain(id);
  });

  test("into a repository that is gone though its id is known fails as RepositoryMissing", async () => {
    apply([policy([source])], [access(`${server.url}gone/`, { repositoryID: id })]);
    expect(await agent.run(runCommand())).toMatchObject({ phase: "Failed", reason: "RepositoryMissing", exitCode: 10 });
    expect(readdirSync(`${folder.path}/repositories/data`)).not.toContain("gone");
  });

  test("with a wrong password fails as WrongPassword", async () => {
    apply([policy([source])], [{ ...pinned(), password: { value: "wrong" } }]);
    expect(await agent.run(runCommand())).toMatchObject({ phase: "Failed", reason: "WrongPassword", exitCode: 12 });
  });

  test("reads a password on the host where the repository points there, within the rules", async () => {
    apply([policy([source])], [{ ...pinned(), password: { host: "env:HOLDFAST_SECRET_MAIN" } }]);
    const missing = await agent.run(runCommand());
    expect(missing).toMatchObject({ phase: "Failed", reason: "SecretMissing" });
    expect(missing.message).toContain("HOLDFAST_SECRET_MAIN");

    apply([policy([source])], [{ ...pinned(), password: { host: "env:HOME" } }]);
    expect(await agent.run(runCommand())).toMatchObject({ phase: "Failed", reason: "HostRefused" });

    apply([policy([source])], [{ ...pinned(), password: { host: "file:/etc/shadow" } }]);
    const refused = await agent.run(runCommand());
    expect(refused).toMatchObject({ phase: "Failed", reason: "HostRefused" });
    expect(refused.message).toContain("--secret-file-root");
  });

  test("whose environment could run commands is refused", async () => {
    apply([policy([source])], [{ ...pinned(), env: { LD_PRELOAD: "/tmp/x.so" } }]);
    const run = await agent.run(runCommand());
    expect(run).toMatchObject({ phase: "Failed", reason: "HostRefused" });
    expect(run.message).toContain("LD_PRELOAD");
  });

  test("is carried out once: a repeated command is answered with the recorded outcome", async () => {
    apply([policy([source])], [pinned()]);
    const command = runCommand();
    await agent.run(command);
    const [entry] = agent.core.outbox.pending(0, 1000).filter(({ record }) => record.uid === command.id);
    agent.core.outbox.ack(agent.core.outbox.stream, entry!.seq);
    expect(agent.record(command.id)).toBeUndefined();

    expect(agent.core.command(command)).toEqual({ state: "duplicate" });
    expect(agent.record(command.id)).toMatchObject({ phase: "Succeeded", attempt: 1 });
    expect(await snapshots(`run=${command.id}`)).toHaveLength(1);
  });

  test("is not carried out again either while its result has waited longer than commands are remembered", async () => {
    const own = `${folder.path}/offline`;
    const first = await openAgent(own);
    first.core.applyConfig(config([policy([source])], [pinned()]));
    const command = runCommand();
    await first.run(command);
    await first.close();

    const week = 7 * 24 * 3_600_000;
    const second = await openAgent(own, { clock: { ...systemClock, now: () => Date.now() + week + 60_000 } });
    expect(second.core.command(command)).toEqual({ state: "duplicate" });
    expect(second.core.active()).toEqual([]);
    expect(second.record(command.id)).toMatchObject({ phase: "Succeeded", attempt: 1 });
    await second.close();
    expect(await snapshots(`run=${command.id}`)).toHaveLength(1);
  });

  test("whose result cannot be written keeps it until it can", async () => {
    const own = `${folder.path}/stuck`;
    const messages: string[] = [];
    const log = { ...quiet, error: (_: object, message: string) => void messages.push(message) };
    const stuck = await openAgent(own, { log });
    writeFileSync(`${source}/large`, randomBytes(2 * 1024 * 1024));
    stuck.core.applyConfig(config([policy([source], { limits: { uploadKiBps: 300 } })], [pinned()]));
    const command = runCommand();
    stuck.core.command(command);
    await until("restic works", () => stuck.progress.some(({ progress }) => (progress?.bytesDone ?? 0) > 0));
    // As with a full disk, every write fails, for as long as somebody else holds the database.
    const other = new DatabaseSync(`${own}/state/agent.db`);
    other.exec("BEGIN IMMEDIATE");
    await until("writing has failed", () => messages.some((text) => text.startsWith("result could not be written")));
    other.exec("ROLLBACK");
    other.close();
    expect(await stuck.ended(command.id)).toMatchObject({ phase: "Succeeded", attempt: 1, exitCode: 0 });
    expect(stuck.core.active()).toEqual([]);
    await stuck.close();
    rmSync(`${source}/large`);
  });

  test("of a policy this host does not hold is refused", () => {
    expect(agent.core.command(runCommand({ policyUID: "other" }))).toMatchObject({ state: "refused" });
  });
});

describe("cancelling", () => {
  test("a running backup ends as Cancelled and leaves no lock", async () => {
    writeFileSync(`${source}/large`, randomBytes(4 * 1024 * 1024));
    apply([policy([source], { limits: { uploadKiBps: 100 } })], [pinned()]);
    const command = runCommand();
    agent.core.command(command);
    await until("bytes flow", () =>
      agent.progress.some(({ uid, progress }) => uid === command.id && progress !== undefined),
    );
    expect(agent.core.command(cancelCommand("run", command.id))).toEqual({ state: "accepted" });
    expect(await agent.ended(command.id)).toMatchObject({ phase: "Cancelled", reason: "Cancelled", exitCode: 130 });
    expect(readdirSync(`${folder.path}/repositories/data/main/locks`)).toEqual([]);
    rmSync(`${source}/large`);
  });

  test("a queued backup ends without having begun", async () => {
    writeFileSync(`${source}/large`, randomBytes(2 * 1024 * 1024));
    apply([policy([source], { limits: { uploadKiBps: 500 } })], [pinned()]);
    const [first, second] = [runCommand(), runCommand()];
    agent.core.command(first);
    agent.core.command(second);
    expect(agent.core.active()).toEqual([first.id, second.id]);
    agent.core.command(cancelCommand("run", second.id));
    expect(await agent.ended(second.id)).toMatchObject({ phase: "Cancelled", attempt: 0 });
    expect(await agent.ended(first.id)).toMatchObject({ phase: "Succeeded" });
    rmSync(`${source}/large`);
  });

  test("a run that has not arrived yet is cancelled before its start, and its command then never begins", async () => {
    apply([policy([source])], [pinned()]);
    const command = runCommand();
    expect(agent.core.command(cancelCommand("run", command.id, command.name))).toEqual({ state: "accepted" });
    expect(agent.record(command.id)).toMatchObject({ phase: "Cancelled", attempt: 0, name: command.name });
    expect(agent.core.command(command)).toEqual({ state: "duplicate" });
    expect(agent.core.active()).toEqual([]);
    expect(await snapshots(`run=${command.id}`)).toEqual([]);
  });
});

test("a backup that takes longer than its timeout ends as Timeout", async () => {
  writeFileSync(`${source}/large`, randomBytes(4 * 1024 * 1024));
  apply([policy([source], { limits: { uploadKiBps: 50 }, timeoutMs: 4_000 })], [pinned()]);
  expect(await agent.run(runCommand())).toMatchObject({ phase: "Failed", reason: "Timeout" });
  rmSync(`${source}/large`);
});

async function snapshots(tag: string): Promise<{ id: string; hostname: string; tags: string[] }[]> {
  const { restic } = await tools();
  const env = {
    RESTIC_REPOSITORY: `${server.url}main/`,
    RESTIC_PASSWORD: PASSWORD,
    RESTIC_CACHE_DIR: `${otherCache.path}`,
  };
  return JSON.parse(
    execFileSync(restic, ["snapshots", "--json", "--no-lock", "--tag", tag], { env, encoding: "utf8" }),
  );
}
