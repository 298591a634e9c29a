import { execFileSync } from "node:child_process";
import "reflect-metadata";
import { createHash, randomBytes, webcrypto } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { SubjectAlternativeNameExtension, X509CertificateGenerator } from "@peculiar/x509";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sha256 } from "#protocol/canonical.ts";
import {
  access,
  cancelCommand,
  config,
  HOST,
  openAgent,
  PASSWORD,
  policy,
  type RestServer,
  runCommand,
  startRestServer,
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
let repositories = 0;

beforeAll(async () => {
  mkdirSync(`${source}/sub`, { recursive: true });
  writeFileSync(`${source}/a.txt`, "one");
  writeFileSync(`${source}/sub/b.txt`, "two");
  server = await startRestServer({ path: `${folder.path}/repositories` });
  agent = await openAgent(folder.path);
  id = (await agent.task(taskCommand(access(server.url("main")), true))).repositoryID!;
});

afterAll(async () => {
  await agent?.close();
  await server?.stop();
  folder.remove();
  otherCache.remove();
});

const pinned = () => access(server.url("main"), { repositoryID: id });
const apply = (...args: Parameters<typeof config>) =>
  expect(agent.core.applyConfig(config(...args))).toHaveProperty("applied");

describe("opening a repository", () => {
  test("a missing one is made once, and says its id; the second time it is only opened", async () => {
    const url = server.url(`fresh-${repositories++}`);
    const made = await agent.task(taskCommand(access(url), true));
    expect(made).toMatchObject({
      phase: "Succeeded",
      created: true,
      repositoryID: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    const opened = await agent.task(taskCommand(access(url), true));
    expect(opened).toMatchObject({ phase: "Succeeded", created: false, repositoryID: made.repositoryID! });
  });

  test("a missing one is not made where initialize is false", async () => {
    const task = await agent.task(taskCommand(access(server.url("absent")), false));
    expect(task).toMatchObject({ phase: "Failed", reason: "RepositoryNotInitialized", exitCode: 10 });
    expect(task.message).toContain("initialize: true");
  });

  test("a missing one whose id is known is never made again", async () => {
    const task = await agent.task(taskCommand(access(server.url("lost"), { repositoryID: "b".repeat(64) }), true));
    expect(task).toMatchObject({ phase: "Failed", reason: "RepositoryMissing", exitCode: 10 });
    expect(readdirSync(`${folder.path}/repositories`)).not.toContain("lost");
  });

  test("a wrong password is told from a missing repository", async () => {
    const task = await agent.task(taskCommand(access(server.url("main"), { password: { value: "wrong" } }), true));
    expect(task).toMatchObject({ phase: "Failed", reason: "WrongPassword", exitCode: 12 });
  });

  test("another id than the pinned one is named", async () => {
    const task = await agent.task(taskCommand(access(server.url("main"), { repositoryID: "b".repeat(64) }), true));
    expect(task).toMatchObject({ phase: "Failed", reason: "RepositoryMismatch" });
    expect(task.message).toContain(id);
  });

  test("keys without a config are a broken repository, and the message says how it came to be", async () => {
    const url = server.url("broken");
    await agent.task(taskCommand(access(url), true));
    rmSync(`${folder.path}/repositories/broken/config`, { force: true });
    const task = await agent.task(taskCommand(access(url), true));
    expect(task).toMatchObject({ phase: "Failed", reason: "RepositoryBroken" });
    expect(task.message).toContain("two initialisations at once");
  });

  test("a local path is refused by the host's rules, which name the flag that allows it", async () => {
    const task = await agent.task(taskCommand(access(`${folder.path}/local`), true));
    expect(task).toMatchObject({ phase: "Failed", reason: "HostRefused" });
    expect(task.message).toContain("--repository-scheme local");
  });

  test("a server that does not answer is named within seconds", async () => {
    const started = performance.now();
    const task = await agent.task(taskCommand(access("rest:http://127.0.0.1:1/x/"), true));
    expect(task).toMatchObject({ phase: "Failed", reason: "RepositoryUnreachable" });
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});

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
    const memory = `/dev/shm/holdfast-agent-${process.getuid!()}-${sha256(`${folder.path}/state`).slice(0, 12)}`;
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
    apply([policy([source])], [access(server.url("main"), { repositoryID: pin })]);
    const run = await agent.run(runCommand());
    expect(run).toMatchObject({ phase: "Failed", reason: "RepositoryMismatch", snapshots: [] });
    expect(run.message).toContain(pin);
    expect(run.message).toContain(id);
  });

  test("into a repository that is gone though its id is known fails as RepositoryMissing", async () => {
    apply([policy([source])], [access(server.url("gone"), { repositoryID: id })]);
    expect(await agent.run(runCommand())).toMatchObject({ phase: "Failed", reason: "RepositoryMissing", exitCode: 10 });
    expect(readdirSync(`${folder.path}/repositories`)).not.toContain("gone");
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

  test("of a policy this host does not hold is refused", () => {
    expect(agent.core.command(runCommand({ policyUID: "other" }))).toMatchObject({ state: "refused" });
  });
});

describe("an unreachable repository", () => {
  test("shows its reason within ten seconds, and the backup succeeds once it is back", async () => {
    const path = `${folder.path}/later`;
    const first = await startRestServer({ path });
    const made = await agent.task(taskCommand(access(first.url("r")), true));
    await first.stop();
    apply([policy([source], { retries: 3 })], [access(first.url("r"), { repositoryID: made.repositoryID! })]);
    const command = runCommand();
    const started = performance.now();
    expect(agent.core.command(command)).toEqual({ state: "accepted" });
    await until("the reason shows", () => agent.record(command.id)?.reason === "RepositoryUnreachable", 10_000);
    expect(performance.now() - started).toBeLessThan(10_000);
    expect(agent.progress.findLast(({ uid }) => uid === command.id)).toMatchObject({
      phase: "Running",
      reason: "RepositoryUnreachable",
    });

    const again = await startRestServer({ path, port: first.port });
    expect(await agent.ended(command.id)).toMatchObject({ phase: "Succeeded", attempt: 2 });
    await again.stop();
  });

  test("that goes away in the middle of a backup shows as the run's reason", async () => {
    writeFileSync(`${source}/large`, randomBytes(3 * 1024 * 1024));
    const path = `${folder.path}/flaky`;
    const first = await startRestServer({ path });
    const made = await agent.task(taskCommand(access(first.url("r")), true));
    apply(
      [policy([source], { limits: { uploadKiBps: 400 } })],
      [access(first.url("r"), { repositoryID: made.repositoryID! })],
    );
    const command = runCommand();
    agent.core.command(command);
    await until("bytes flow", () =>
      agent.progress.some(({ uid, progress }) => uid === command.id && progress !== undefined),
    );
    await first.stop();
    await until("the reason shows", () => agent.record(command.id)?.reason === "RepositoryUnreachable", 30_000);
    const again = await startRestServer({ path, port: first.port });
    expect(await agent.ended(command.id)).toMatchObject({ phase: "Succeeded", attempt: 1 });
    await again.stop();
    rmSync(`${source}/large`);
  });
});

test("a server that refuses the credentials is told from an unreachable one, and the secret shows nowhere", async () => {
  const user = "agent";
  const secret = "s3cr3t-canary-value";
  const htpasswd = `${user}:{SHA}${createHash("sha1").update(secret).digest("base64")}\n`;
  const guarded = await startRestServer({ path: `${folder.path}/guarded`, htpasswd });
  const env = { RESTIC_REST_USERNAME: user, RESTIC_REST_PASSWORD: secret };
  const made = await agent.task(taskCommand(access(guarded.url("r"), { env }), true));
  expect(made.phase).toBe("Succeeded");
  const denied = { ...env, RESTIC_REST_PASSWORD: "wrong-canary-value" };
  apply([policy([source])], [access(guarded.url("r"), { env: denied, repositoryID: made.repositoryID! })]);
  const command = runCommand();
  const run = await agent.run(command);
  expect(run).toMatchObject({ phase: "Failed", reason: "RepositoryAccessDenied" });
  expect(JSON.stringify(run)).not.toContain("canary");
  expect(agent.core.readLog(command.id, 0, 1 << 20)!.data.toString()).not.toContain("canary");
  await guarded.stop();
});

test("a server without room is named as such", async () => {
  const small = await startRestServer({ path: `${folder.path}/small`, maxSizeBytes: 100_000 });
  const made = await agent.task(taskCommand(access(small.url("r")), true));
  writeFileSync(`${source}/large`, randomBytes(400_000));
  apply([policy([source])], [access(small.url("r"), { repositoryID: made.repositoryID! })]);
  expect(await agent.run(runCommand())).toMatchObject({ phase: "Failed", reason: "RepositoryFull", snapshots: [] });
  rmSync(`${source}/large`);
  await small.stop();
});

test("a server whose certificate nobody trusts is unreachable and says why; with its authority it is reached", async () => {
  const { certificate, key, pem } = await selfSigned();
  const trusted = await startRestServer({ path: `${folder.path}/tls`, tls: { certificate, key } });
  const unknown = await agent.task(taskCommand(access(trusted.url("r")), true));
  expect(unknown).toMatchObject({ phase: "Failed", reason: "RepositoryUnreachable" });
  expect(unknown.message).toContain("correct tls.caFrom");
  expect(unknown.message).toContain("certificate signed by unknown authority");
  const known = await agent.task(taskCommand(access(trusted.url("r"), { ca: pem }), true));
  expect(known).toMatchObject({ phase: "Succeeded", created: true });
  await trusted.stop();
});

async function selfSigned(): Promise<{ certificate: string; key: string; pem: string }> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const made = await X509CertificateGenerator.createSelfSigned({
    name: "CN=test",
    notBefore: new Date(Date.now() - 3_600_000),
    notAfter: new Date(Date.now() + 3_600_000),
    signingAlgorithm: algorithm,
    keys,
    extensions: [new SubjectAlternativeNameExtension([{ type: "ip", value: "127.0.0.1" }])],
  });
  const pem = made.toString("pem");
  const private_ = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey)).toString("base64");
  writeFileSync(`${folder.path}/tls.crt`, pem);
  writeFileSync(`${folder.path}/tls.key`, `-----BEGIN PRIVATE KEY-----\n${private_}\n-----END PRIVATE KEY-----\n`);
  return { certificate: `${folder.path}/tls.crt`, key: `${folder.path}/tls.key`, pem };
}

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
    expect(readdirSync(`${folder.path}/repositories/main/locks`)).toEqual([]);
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

test("a lock that another restic holds is waited for, and shows as the reason", async () => {
  const { restic } = await tools();
  const url = server.url("locked");
  const made = await agent.task(taskCommand(access(url), true));
  // An exclusive lock without its owner, as a killed prune leaves it: taken here from a real one.
  const env = { RESTIC_REPOSITORY: url, RESTIC_PASSWORD: PASSWORD, RESTIC_CACHE_DIR: `${otherCache.path}` };
  const locks = `${folder.path}/repositories/locked/locks`;
  const check = execFileSync(
    "/bin/sh",
    [
      "-c",
      `"$0" check --read-data --limit-download 1 >/dev/null 2>&1 & pid=$!; while [ -z "$(ls "$1")" ]; do sleep 0.05; done; kill -9 $pid; echo $pid`,
      restic,
      locks,
    ],
    { env: { ...env, PATH: "/usr/bin:/bin" }, encoding: "utf8" },
  );
  expect(Number(check)).toBeGreaterThan(1);
  apply([policy([source])], [access(url, { repositoryID: made.repositoryID! })]);
  const command = runCommand();
  agent.core.command(command);
  await until("the reason shows", () => agent.record(command.id)?.reason === "RepositoryLocked", 60_000);
  expect(agent.record(command.id)!.message).toMatch(/held by .+@.+, process \d+, since /);
  rmSync(locks, { recursive: true });
  mkdirSync(locks);
  expect(await agent.ended(command.id)).toMatchObject({ phase: "Succeeded" });
}, 180_000);

async function snapshots(tag: string): Promise<{ id: string; hostname: string; tags: string[] }[]> {
  const { restic } = await tools();
  const env = {
    RESTIC_REPOSITORY: server.url("main"),
    RESTIC_PASSWORD: PASSWORD,
    RESTIC_CACHE_DIR: `${otherCache.path}`,
  };
  return JSON.parse(
    execFileSync(restic, ["snapshots", "--json", "--no-lock", "--tag", tag], { env, encoding: "utf8" }),
  );
}
