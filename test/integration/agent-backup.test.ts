import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "#base/clock.ts";
import { sha256 } from "#protocol/canonical.ts";
import { testAgent } from "./agent-and-repository.ts";
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
  tools,
  until,
} from "./agent-world.ts";

const host = testAgent();
const { folder, source, pinned, apply } = host;

beforeAll(() => {
  mkdirSync(`${source}/sub`);
  writeFileSync(`${source}/sub/b.txt`, "two");
});

describe("a backup", () => {
  test("saves one snapshot with our host and tags, and its numbers", async () => {
    apply([policy([source], { tags: ["team-a"] })], [pinned()]);
    const command = runCommand();
    const run = await host.agent.run(command);
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
    expect(host.agent.core.active()).not.toContain(command.id);
  });

  test("tells of itself from the start: first queued, then running", async () => {
    const command = runCommand();
    await host.agent.run(command);
    const phases = host.agent.progress.filter(({ uid }) => uid === command.id).map(({ phase }) => phase);
    expect(phases[0]).toBe("Queued");
    expect(phases).toContain("Running");
  });

  test("that is not alone says which one is before it, though nobody may see that any more", async () => {
    apply([policy([source])], [pinned()]);
    const commands = [runCommand(), runCommand(), runCommand()];
    const runs = await Promise.all(commands.map((command) => host.agent.run(command)));
    const queued = host.agent.progress.filter(({ phase }) => phase === "Queued").map(({ message }) => message);
    expect(queued.slice(-3)).toEqual([
      "waits for its turn on this host",
      `waits for its turn on this host, behind ${runs[0]!.name}`,
      `waits for its turn on this host, behind ${runs[1]!.name}`,
    ]);
  });

  test("leaves no password behind, neither on disk nor in memory files", async () => {
    apply([policy([source])], [pinned()]);
    const command = runCommand();
    const run = host.agent.run(command);
    const memory = `${folder}/run/holdfast-agent-${process.getuid!()}-${sha256(`${folder}/state`).slice(0, 12)}`;
    await until("restic has its password file", () => existsSync(memory));
    await run;
    await until("the password file is gone", () => !existsSync(memory));
    // grep ends with 1 where it finds nothing.
    const places = [`${folder}/state`, `${folder}/cache`];
    const found = execFileSync("/bin/sh", ["-c", 'grep -rlaF "$0" "$@" || true', PASSWORD, ...places], {
      encoding: "utf8",
    });
    expect(found).toBe("");
  });

  test("with exit 3 is partial: the snapshot is there, unread files are counted and named", async () => {
    // Reading a process's memory at address 0 is an I/O error for anyone, root included.
    const unreadable = `/proc/${process.pid}/mem`;
    apply([policy([source, unreadable])], [pinned()]);
    const run = await host.agent.run(runCommand());
    expect(run).toMatchObject({
      phase: "PartiallyFailed",
      reason: "UnreadFiles",
      exitCode: 3,
      message: expect.stringContaining(`without 1 file that could not be read, first ${unreadable}`),
      unreadFiles: { count: 1, first: [unreadable] },
    });
    expect(run.snapshots).toHaveLength(1);
  });

  test("of a path that does not exist fails before restic begins", async () => {
    apply([policy([source, `${source}/nothing`])], [pinned()]);
    const run = await host.agent.run(runCommand());
    expect(run).toMatchObject({ phase: "Failed", reason: "PathMissing", snapshots: [] });
    expect(run.message).toContain(`${source}/nothing`);
  });

  test("with a pattern that restic cannot read is refused at once, not tried again", async () => {
    const files = { ...policy([source]).files, exclude: ["[a"] };
    apply([policy([source], { files, retries: 2 })], [pinned()]);
    const run = await host.agent.run(runCommand());
    expect(run).toMatchObject({ phase: "Failed", reason: "HostRefused", attempt: 1, snapshots: [] });
    expect(run.message).toMatch(/^restic cannot read a pattern: .*\[a\)$/);
  });

  test("of a folder with fewer files than minFiles fails", async () => {
    const files = { ...policy([source]).files, minFiles: 3 };
    apply([policy([source], { files })], [pinned()]);
    expect(await host.agent.run(runCommand())).toMatchObject({ phase: "Failed", reason: "TooFewFiles" });
  });

  test("of a folder that is to be a mount point and is none fails", async () => {
    const files = { ...policy([source]).files, requireMountpoint: true };
    apply([policy([source], { files })], [pinned()]);
    expect(await host.agent.run(runCommand())).toMatchObject({ phase: "Failed", reason: "NotMountpoint" });
  });

  test("leaves out what the policy excludes, and the agent's own state", async () => {
    const files = { ...policy([folder]).files, exclude: [`${folder}/repositories`, "*.txt"] };
    apply([policy([folder], { files })], [pinned()]);
    const command = runCommand();
    const run = await host.agent.run(command);
    expect(run).toMatchObject({
      phase: "Succeeded",
      message: expect.stringMatching(/^0 files were found: .*files.exclude/),
    });
    expect(run.snapshots[0]!.totalFiles).toBe(0);
  });

  test("leaves out the agent's own state whatever the policy brings back", async () => {
    const files = { ...policy([folder]).files, exclude: [`${folder}/repositories`, `!${folder}/state`] };
    apply([policy([folder], { files })], [pinned()]);
    const run = await host.agent.run(runCommand());
    expect(run).toMatchObject({ phase: "Succeeded", snapshots: [{ totalFiles: 2 }] });
  });

  test("of the agent's own state is refused", async () => {
    apply([policy([`${folder}/state`])], [pinned()]);
    const run = await host.agent.run(runCommand());
    expect(run).toMatchObject({ phase: "Failed", reason: "HostRefused" });
    expect(run.message).toContain("the agent's own state");
  });

  test("that is a dry run saves nothing", async () => {
    apply([policy([source])], [pinned()]);
    const command = runCommand({ overrides: { dryRun: true } });
    expect(await host.agent.run(command)).toMatchObject({
      phase: "Succeeded",
      dryRun: true,
      snapshots: [],
      message: expect.stringMatching(/^dry run, nothing was saved: 2 files, \S+ K?i?B would be added$/),
    });
    expect(await snapshots(`run=${command.id}`)).toEqual([]);
  });

  test("into a repository with another id than the pinned one is stopped and says both ids", async () => {
    const pin = "b".repeat(64);
    apply([policy([source])], [pinned({ repositoryID: pin })]);
    const run = await host.agent.run(runCommand());
    expect(run).toMatchObject({ phase: "Failed", reason: "RepositoryMismatch", snapshots: [] });
    expect(run.message).toContain(pin);
    expect(run.message).toContain(host.id);
  });

  test("into a repository that is gone though its id is known fails as RepositoryMissing", async () => {
    apply([policy([source])], [access(host.url("gone"), { repositoryID: host.id })]);
    expect(await host.agent.run(runCommand())).toMatchObject({
      phase: "Failed",
      reason: "RepositoryMissing",
      exitCode: 10,
    });
    expect(readdirSync(`${folder}/repositories/data`)).not.toContain("gone");
  });

  test("with a wrong password fails as WrongPassword", async () => {
    apply([policy([source])], [{ ...pinned(), password: { value: "wrong" } }]);
    expect(await host.agent.run(runCommand())).toMatchObject({
      phase: "Failed",
      reason: "WrongPassword",
      exitCode: 12,
    });
  });

  test("reads a password on the host where the repository points there, within the rules", async () => {
    apply([policy([source])], [{ ...pinned(), password: { host: "env:HOLDFAST_SECRET_MAIN" } }]);
    const missing = await host.agent.run(runCommand());
    expect(missing).toMatchObject({ phase: "Failed", reason: "SecretMissing" });
    expect(missing.message).toContain("HOLDFAST_SECRET_MAIN");

    apply([policy([source])], [{ ...pinned(), password: { host: "env:HOME" } }]);
    expect(await host.agent.run(runCommand())).toMatchObject({ phase: "Failed", reason: "HostRefused" });

    apply([policy([source])], [{ ...pinned(), password: { host: "file:/etc/shadow" } }]);
    const refused = await host.agent.run(runCommand());
    expect(refused).toMatchObject({ phase: "Failed", reason: "HostRefused" });
    expect(refused.message).toContain("--secret-file-root");
  });

  test("whose environment could run commands is refused", async () => {
    apply([policy([source])], [{ ...pinned(), env: { LD_PRELOAD: "/tmp/x.so" } }]);
    const run = await host.agent.run(runCommand());
    expect(run).toMatchObject({ phase: "Failed", reason: "HostRefused" });
    expect(run.message).toContain("LD_PRELOAD");
  });

  test("is carried out once: a repeated command is answered with the recorded outcome", async () => {
    apply([policy([source])], [pinned()]);
    const command = runCommand();
    await host.agent.run(command);
    const [entry] = host.agent.core.outbox.pending(0, 1000).filter(({ record }) => record.uid === command.id);
    host.agent.core.outbox.ack(host.agent.core.outbox.stream, entry!.seq);
    expect(host.agent.record(command.id)).toBeUndefined();

    expect(host.agent.core.command(command)).toEqual({ state: "duplicate" });
    expect(host.agent.record(command.id)).toMatchObject({ phase: "Succeeded", attempt: 1 });
    expect(await snapshots(`run=${command.id}`)).toHaveLength(1);
  });

  test("is not carried out again either while its result has waited longer than commands are remembered", async () => {
    const own = `${folder}/offline`;
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
    const own = `${folder}/stuck`;
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
    expect(host.agent.core.command(runCommand({ policyUID: "other" }))).toMatchObject({ state: "refused" });
  });
});

describe("cancelling", () => {
  test("a running backup ends as Cancelled and leaves no lock", async () => {
    writeFileSync(`${source}/large`, randomBytes(4 * 1024 * 1024));
    apply([policy([source], { limits: { uploadKiBps: 100 } })], [pinned()]);
    const command = runCommand();
    host.agent.core.command(command);
    await until("bytes flow", () =>
      host.agent.progress.some(({ uid, progress }) => uid === command.id && progress !== undefined),
    );
    expect(host.agent.core.command(cancelCommand("run", command.id))).toEqual({ state: "accepted" });
    expect(await host.agent.ended(command.id)).toMatchObject({
      phase: "Cancelled",
      reason: "Cancelled",
      exitCode: 130,
    });
    expect(readdirSync(`${folder}/repositories/data/main/locks`)).toEqual([]);
    rmSync(`${source}/large`);
  });

  test("a queued backup ends without having begun", async () => {
    writeFileSync(`${source}/large`, randomBytes(2 * 1024 * 1024));
    apply([policy([source], { limits: { uploadKiBps: 500 } })], [pinned()]);
    const [first, second] = [runCommand(), runCommand()];
    host.agent.core.command(first);
    host.agent.core.command(second);
    expect(host.agent.core.active()).toEqual([first.id, second.id]);
    host.agent.core.command(cancelCommand("run", second.id));
    expect(await host.agent.ended(second.id)).toMatchObject({ phase: "Cancelled", attempt: 0 });
    expect(await host.agent.ended(first.id)).toMatchObject({ phase: "Succeeded" });
    rmSync(`${source}/large`);
  });

  test("a run that has not arrived yet is cancelled before its start, and its command then never begins", async () => {
    apply([policy([source])], [pinned()]);
    const command = runCommand();
    expect(host.agent.core.command(cancelCommand("run", command.id, command.name))).toEqual({ state: "accepted" });
    expect(host.agent.record(command.id)).toMatchObject({ phase: "Cancelled", attempt: 0, name: command.name });
    expect(host.agent.core.command(command)).toEqual({ state: "duplicate" });
    expect(host.agent.core.active()).toEqual([]);
    expect(await snapshots(`run=${command.id}`)).toEqual([]);
  });
});

test("a backup that takes longer than its timeout ends as Timeout", async () => {
  writeFileSync(`${source}/large`, randomBytes(4 * 1024 * 1024));
  apply([policy([source], { limits: { uploadKiBps: 50 }, timeoutMs: 4_000 })], [pinned()]);
  expect(await host.agent.run(runCommand())).toMatchObject({
    phase: "Failed",
    reason: "Timeout",
    message: expect.stringContaining("its timeout of 4s (timeout of BackupPolicy nightly)"),
  });
  rmSync(`${source}/large`);
});

async function snapshots(tag: string): Promise<{ id: string; hostname: string; tags: string[] }[]> {
  const { restic } = await tools();
  const env = { RESTIC_REPOSITORY: host.url("main"), RESTIC_PASSWORD: PASSWORD };
  const args = ["snapshots", "--json", "--no-lock", "--no-cache", "--tag", tag];
  return JSON.parse(execFileSync(restic, args, { env, encoding: "utf8" }));
}
