import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "#base/clock.ts";
import { startRestServer } from "../../hack/rest-server/rest-server.ts";
import { testAgent } from "./agent-and-repository.ts";
import {
  access,
  config,
  openAgent,
  PASSWORD,
  policy,
  runCommand,
  type TestAgent,
  taskCommand,
  temporaryFolder,
  tools,
  until,
} from "./agent-world.ts";

const host = testAgent();
const { folder, source, pinned, apply } = host;
let repositories = 0;

describe("opening a repository", () => {
  test("a missing one is made once, and says its id; the second time it is only opened", async () => {
    const url = host.url(`fresh-${repositories++}`);
    const made = await host.agent.task(taskCommand(access(url), true));
    expect(made).toMatchObject({
      phase: "Succeeded",
      created: true,
      repositoryID: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    const opened = await host.agent.task(taskCommand(access(url), true));
    expect(opened).toMatchObject({ phase: "Succeeded", created: false, repositoryID: made.repositoryID! });
  });

  test("a missing one is not made where initialize is false", async () => {
    const task = await host.agent.task(taskCommand(access(host.url("absent")), false));
    expect(task).toMatchObject({ phase: "Failed", reason: "RepositoryNotInitialized", exitCode: 10 });
    expect(task.message).toContain("initialize: true");
  });

  test("a missing one whose id is known is never made again", async () => {
    const task = await host.agent.task(taskCommand(access(host.url("lost"), { repositoryID: "b".repeat(64) }), true));
    expect(task).toMatchObject({ phase: "Failed", reason: "RepositoryMissing", exitCode: 10 });
    expect(readdirSync(`${folder}/repositories/data`)).not.toContain("lost");
  });

  test("a wrong password is told from a missing repository", async () => {
    const task = await host.agent.task(taskCommand(access(host.url("main"), { password: { value: "wrong" } }), true));
    expect(task).toMatchObject({ phase: "Failed", reason: "WrongPassword", exitCode: 12 });
  });

  test("another id than the pinned one is named", async () => {
    const task = await host.agent.task(taskCommand(access(host.url("main"), { repositoryID: "b".repeat(64) }), true));
    expect(task).toMatchObject({ phase: "Failed", reason: "RepositoryMismatch" });
    expect(task.message).toContain(host.id);
  });

  test("keys without a config are a broken repository, and the message says how it came to be", async () => {
    const url = host.url("broken");
    await host.agent.task(taskCommand(access(url), true));
    rmSync(`${folder}/repositories/data/broken/config`, { force: true });
    const task = await host.agent.task(taskCommand(access(url), true));
    expect(task).toMatchObject({ phase: "Failed", reason: "RepositoryBroken" });
    expect(task.message).toContain("two initialisations at once");
  });

  test("a local path is refused by the host's rules, which name the flag that allows it", async () => {
    const task = await host.agent.task(taskCommand(access(`${folder}/local`), true));
    expect(task).toMatchObject({ phase: "Failed", reason: "HostRefused" });
    expect(task.message).toContain("--repository-scheme (HOLDFAST_REPOSITORY_SCHEMES)");
  });

  test("a server that does not answer is named within seconds", async () => {
    const started = performance.now();
    const task = await host.agent.task(taskCommand(access("rest:http://127.0.0.1:1/x/"), true));
    expect(task).toMatchObject({ phase: "Failed", reason: "RepositoryUnreachable" });
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});

describe("an unreachable repository", () => {
  test("shows its reason within ten seconds, and the backup succeeds once it is back", async () => {
    const first = await startRestServer({ plain: true, directory: `${folder}/later` });
    const made = await host.agent.task(taskCommand(access(`${first.url}r/`), true));
    await first.stop();
    apply([policy([source], { retries: 3 })], [access(`${first.url}r/`, { repositoryID: made.repositoryID! })]);
    const command = runCommand();
    const started = performance.now();
    expect(host.agent.core.command(command)).toEqual({ state: "accepted" });
    await until("the reason shows", () => host.agent.record(command.id)?.reason === "RepositoryUnreachable", 10_000);
    expect(performance.now() - started).toBeLessThan(10_000);
    expect(host.agent.progress.findLast(({ uid }) => uid === command.id)).toMatchObject({
      phase: "Running",
      reason: "RepositoryUnreachable",
    });

    await first.start();
    expect(await host.agent.ended(command.id)).toMatchObject({ phase: "Succeeded", attempt: 2 });
    await first.stop();
  });

  test("that goes away in the middle of a backup shows as the run's reason", async () => {
    writeFileSync(`${source}/large`, randomBytes(3 * 1024 * 1024));
    const first = await startRestServer({ plain: true, directory: `${folder}/flaky` });
    const made = await host.agent.task(taskCommand(access(`${first.url}r/`), true));
    apply(
      [policy([source], { limits: { uploadKiBps: 400 } })],
      [access(`${first.url}r/`, { repositoryID: made.repositoryID! })],
    );
    const command = runCommand();
    host.agent.core.command(command);
    await until("bytes flow", () =>
      host.agent.progress.some(({ uid, progress }) => uid === command.id && progress !== undefined),
    );
    await first.stop();
    await until("the reason shows", () => host.agent.record(command.id)?.reason === "RepositoryUnreachable", 30_000);
    await first.start();
    expect(await host.agent.ended(command.id)).toMatchObject({ phase: "Succeeded", attempt: 1 });
    await first.stop();
    rmSync(`${source}/large`);
  });
});

test("a server that refuses the credentials is told from an unreachable one, and the secret shows nowhere", async () => {
  const user = "fleet";
  const secret = "s3cr3t-canary-value";
  const guarded = await startRestServer({
    plain: true,
    directory: `${folder}/guarded`,
    users: { [user]: secret },
  });
  const env = { RESTIC_REST_USERNAME: user, RESTIC_REST_PASSWORD: secret };
  const made = await host.agent.task(taskCommand(access(`${guarded.url}fleet/`, { env }), true));
  expect(made.phase).toBe("Succeeded");
  const denied = { ...env, RESTIC_REST_PASSWORD: "wrong-canary-value" };
  apply([policy([source])], [access(`${guarded.url}fleet/`, { env: denied, repositoryID: made.repositoryID! })]);
  const command = runCommand();
  const run = await host.agent.run(command);
  expect(run).toMatchObject({ phase: "Failed", reason: "RepositoryAccessDenied" });
  expect(JSON.stringify(run)).not.toContain("canary");
  // The user is no secret: its name stays readable in the url, where it often is a folder.
  expect(run.message).toContain("/fleet/");
  const log = host.agent.core.readLog({ kind: "run", uid: command.id }, 0);
  expect(log).toMatchObject({ text: expect.stringContaining("ended: Failed"), ended: true });
  expect(JSON.stringify(log)).not.toContain("canary");
  await guarded.stop();
});

test("a server without room is named as such", async () => {
  const small = await startRestServer({ plain: true, directory: `${folder}/small`, maxSizeBytes: 100_000 });
  const made = await host.agent.task(taskCommand(access(`${small.url}r/`), true));
  writeFileSync(`${source}/large`, randomBytes(400_000));
  apply([policy([source])], [access(`${small.url}r/`, { repositoryID: made.repositoryID! })]);
  expect(await host.agent.run(runCommand())).toMatchObject({
    phase: "Failed",
    reason: "RepositoryFull",
    snapshots: [],
  });
  rmSync(`${source}/large`);
  await small.stop();
});

test("a server whose certificate nobody trusts is unreachable and says why; with its authority it is reached", async () => {
  const trusted = await startRestServer({ directory: `${folder}/tls` });
  const unknown = await host.agent.task(taskCommand(access(`${trusted.url}r/`), true));
  expect(unknown).toMatchObject({ phase: "Failed", reason: "RepositoryUnreachable" });
  expect(unknown.message).toContain("set or correct tls.caFrom");
  expect(unknown.message).toContain("certificate signed by unknown authority");
  const known = await host.agent.task(taskCommand(access(`${trusted.url}r/`, { ca: trusted.ca }), true));
  expect(known).toMatchObject({ phase: "Succeeded", created: true });
  await trusted.stop();
});

test("a lock that another restic holds is waited for, and shows as the reason", async () => {
  const { restic } = await tools();
  const url = host.url("locked");
  const made = await host.agent.task(taskCommand(access(url), true));
  // An exclusive lock without its owner, as a killed prune leaves it: taken here from a real one.
  const env = { RESTIC_REPOSITORY: url, RESTIC_PASSWORD: PASSWORD, RESTIC_CACHE_DIR: `${folder}/other-cache` };
  const locks = `${folder}/repositories/data/locked/locks`;
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
  host.agent.core.command(command);
  await until("the reason shows", () => host.agent.record(command.id)?.reason === "RepositoryLocked", 60_000);
  expect(host.agent.record(command.id)!.message).toMatch(/held by .+@.+, process \d+, since /);
  rmSync(locks, { recursive: true });
  mkdirSync(locks);
  expect(await host.agent.ended(command.id)).toMatchObject({ phase: "Succeeded" });
}, 180_000);

describe("who holds the lock", () => {
  const scripted = temporaryFolder();
  const at = (name: string) => `${scripted.path}/${name}`;
  let slow: TestAgent;

  /** The real restic, but: a backup waits as if for a lock, and the answer about the lock's holder takes its time. */
  beforeAll(async () => {
    const { restic } = await tools();
    const holder = { exclusive: true, username: `\u001b[31mroot${"x".repeat(5_000)}`, hostname: "h\u202e", pid: 7 };
    writeFileSync(at("lock.json"), JSON.stringify(holder));
    writeFileSync(
      at("restic"),
      `#!/bin/sh
case "$1 $2" in
  backup*) while [ ! -e ${at("free")} ]; do sleep 0.05; done ;;
  "list locks") echo ${"a".repeat(64)}; exit ;;
  "cat lock") touch ${at("asked")}; while [ ! -e ${at("answer")} ]; do sleep 0.05; done
    sed 's/"exclusive":/"exclusive": /' ${at("lock.json")}; exec touch ${at("answered")} ;;
esac
exec ${restic} "$@"
`,
    );
    chmodSync(at("restic"), 0o755);
    const hasty = (ms: number) => (ms === 30_000 ? 100 : ms);
    const clock = { ...systemClock, after: (ms: number, run: () => void) => systemClock.after(hasty(ms), run) };
    slow = await openAgent(scripted.path, { resticPath: at("restic"), clock });
    slow.core.applyConfig(config([policy([source])], [pinned()]));
  });
  afterAll(async () => {
    await slow.close();
    await scripted.remove();
  });

  test("is told too late where the backup has ended meanwhile: its result stands", async () => {
    const command = runCommand();
    slow.core.command(command);
    await until("the holder is asked for", () => existsSync(at("asked")));
    writeFileSync(at("free"), "");
    expect(await slow.ended(command.id)).toMatchObject({ phase: "Succeeded" });
    writeFileSync(at("answer"), "");
    await until("the answer has come", () => existsSync(at("answered")));
    expect(await slow.run(runCommand())).toMatchObject({ phase: "Succeeded" });
    expect(slow.record(command.id)).toMatchObject({ phase: "Succeeded" });
  });

  test("is shown harmless and short, whatever stands in the lock", async () => {
    rmSync(at("free"), { force: true });
    writeFileSync(at("answer"), "");
    const command = runCommand();
    slow.core.command(command);
    await until("the reason shows", () => slow.record(command.id)?.reason === "RepositoryLocked");
    const { message } = slow.record(command.id)!;
    expect(message).toMatch(/^waiting for the repository's lock, held by rootx+…$/);
    expect(message.length).toBeLessThan(1024);
    writeFileSync(at("free"), "");
    expect(await slow.ended(command.id)).toMatchObject({ phase: "Succeeded" });
  });
});
