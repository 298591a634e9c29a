import { randomBytes } from "node:crypto";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { testAgent } from "./agent-and-repository.ts";
import { cancelCommand, config, openAgent, policy, restoreCommand, runCommand, until } from "./agent-world.ts";

const host = testAgent();
const { folder, source, pinned, apply } = host;
const restored = `${folder}/restored`;
const binary = randomBytes(3 * 1024 * 1024);
let snapshotID: string;
let laterID: string;
let between: string;

beforeAll(async () => {
  mkdirSync(`${source}/etc`);
  mkdirSync(`${source}/data`);
  writeFileSync(`${source}/etc/app.conf`, "port = 80\n");
  chmodSync(`${source}/etc/app.conf`, 0o640);
  utimesSync(`${source}/etc/app.conf`, 1_700_000_000, 1_700_000_000.5);
  writeFileSync(`${source}/data/binary`, binary);
  chmodSync(`${source}/data/binary`, 0o755);
  writeFileSync(`${source}/data/ümläut – 文件`, "name");
  symlinkSync("../etc/app.conf", `${source}/data/link`);
  chmodSync(`${source}/data`, 0o750);
  utimesSync(`${source}/data`, 1_600_000_000, 1_600_000_000);
  apply([policy([source])], [pinned()]);
  snapshotID = (await host.agent.run(runCommand())).snapshots[0]!.id;
  between = new Date().toISOString();
  writeFileSync(`${source}/later`, "later");
  laterID = (await host.agent.run(runCommand())).snapshots[0]!.id;
});

test("a restore brings back bytes, modes, times and links", async () => {
  const record = await host.agent.restore(restoreCommand(pinned(), `${restored}/all`, { verify: true }));
  expect(record).toMatchObject({
    phase: "Succeeded",
    reason: "Completed",
    exitCode: 0,
    snapshotID: laterID,
    restored: { errors: 0 },
  });
  expect(record.restored!.bytes).toBeGreaterThan(binary.length);

  const at = `${restored}/all${source}`;
  expect(readFileSync(`${at}/data/binary`).equals(binary)).toBe(true);
  expect(readFileSync(`${at}/data/ümläut – 文件`, "utf8")).toBe("name");
  expect(readlinkSync(`${at}/data/link`)).toBe("../etc/app.conf");
  for (const path of ["etc/app.conf", "data/binary", "data"]) {
    const [was, is] = [lstatSync(`${source}/${path}`, { bigint: true }), lstatSync(`${at}/${path}`, { bigint: true })];
    expect([path, is.mode, is.mtimeNs, is.uid]).toEqual([path, was.mode, was.mtimeNs, was.uid]);
  }
});

describe("which snapshot", () => {
  test("an id chooses its snapshot, also by its first digits", async () => {
    const whole = await host.agent.restore(
      restoreCommand(pinned(), `${restored}/id`, { snapshot: { id: snapshotID } }),
    );
    expect(whole).toMatchObject({ phase: "Succeeded", snapshotID });
    const short = await host.agent.restore(
      restoreCommand(pinned(), `${restored}/id`, { snapshot: { id: snapshotID.slice(0, 8) } }),
    );
    expect(short).toMatchObject({ phase: "Succeeded", snapshotID });
    // Everything was there already.
    expect(short.restored).toMatchObject({ bytes: 0 });
  });

  test("the latest before a time is the one that was the latest then", async () => {
    const { snapshot } = restoreCommand(pinned(), restored);
    const record = await host.agent.restore(
      restoreCommand(pinned(), `${restored}/before`, { snapshot: { ...snapshot, before: between } }),
    );
    expect(record).toMatchObject({ phase: "Succeeded", snapshotID });
  });

  test("an unknown id says where to take one from", async () => {
    const record = await host.agent.restore(
      restoreCommand(pinned(), `${restored}/x`, { snapshot: { id: "0123456789abcdef" } }),
    );
    expect(record).toMatchObject({ phase: "Failed", reason: "SnapshotNotFound" });
    expect(record.message).toContain("status of a BackupRun");
  });

  test("a policy without snapshots says so", async () => {
    const snapshot = { latest: true as const, host: "web-1", tags: ["policy=backups/other"] };
    const record = await host.agent.restore(restoreCommand(pinned(), `${restored}/x`, { snapshot }));
    expect(record).toMatchObject({ phase: "Failed", reason: "SnapshotNotFound" });
    expect(record.message).toContain("policy=backups/other of host web-1");
  });

  test("a repository with another id is never restored from", async () => {
    const record = await host.agent.restore(
      restoreCommand({ ...pinned(), repositoryID: "b".repeat(64) }, `${restored}/x`),
    );
    expect(record).toMatchObject({ phase: "Failed", reason: "RepositoryMismatch" });
    expect(lstatSync(`${restored}/x`, { throwIfNoEntry: false })).toBeUndefined();
  });
});

describe("where to", () => {
  test("a target that is a file is refused, and so is one below a file", async () => {
    mkdirSync(restored, { recursive: true });
    writeFileSync(`${restored}/file`, "mine");
    for (const target of [`${restored}/file`, `${restored}/file/below`]) {
      const record = await host.agent.restore(restoreCommand(pinned(), target));
      expect(record).toMatchObject({ phase: "Failed", reason: "TargetInvalid" });
      expect(record.message).toContain(`${restored}/file is a file`);
    }
    expect(readFileSync(`${restored}/file`, "utf8")).toBe("mine");
  });

  test.each([
    ["outside", "/somewhere-else"],
    ["by dots", "/restored/../../../outside"],
  ])("a target outside the restore roots is refused: %s", async (_, path) => {
    const record = await host.agent.restore(restoreCommand(pinned(), `${folder}${path}`));
    expect(record).toMatchObject({ phase: "Failed", reason: "HostRefused" });
  });

  test("the refusal names what is allowed before the flag, and no value for it", async () => {
    const record = await host.agent.restore(restoreCommand(pinned(), "/"));
    expect(record.message).toMatch(
      /^restore into \/ is not allowed on this host, which allows \S+\/restored: choose among these, or .* --restore-root \(/,
    );
  });

  test("a symlink that leads out of the restore roots is refused", async () => {
    mkdirSync(`${folder}/elsewhere`, { recursive: true });
    mkdirSync(restored, { recursive: true });
    symlinkSync(`${folder}/elsewhere`, `${restored}/way-out`);
    symlinkSync(`${folder}/not-yet-there`, `${restored}/dangling`);
    for (const name of ["way-out/deep", "dangling/deep"]) {
      const record = await host.agent.restore(restoreCommand(pinned(), `${restored}/${name}`));
      expect(record.phase).toBe("Failed");
      expect(["HostRefused", "TargetInvalid"]).toContain(record.reason);
    }
    expect(lstatSync(`${folder}/elsewhere/deep`, { throwIfNoEntry: false })).toBeUndefined();
    expect(lstatSync(`${folder}/not-yet-there`, { throwIfNoEntry: false })).toBeUndefined();
  });
});

describe("how much", () => {
  test("include brings back only what it names", async () => {
    const command = restoreCommand(pinned(), `${restored}/some`, { include: [`${source}/etc`] });
    expect(await host.agent.restore(command)).toMatchObject({ phase: "Succeeded" });
    expect(readFileSync(`${restored}/some${source}/etc/app.conf`, "utf8")).toBe("port = 80\n");
    expect(lstatSync(`${restored}/some${source}/data`, { throwIfNoEntry: false })).toBeUndefined();
  });

  test.each([[false], [true]])("an include that matches nothing is no success (dry run: %s)", async (dryRun) => {
    const include = ["/etc/app.conf", `${source}/nope`];
    const record = await host.agent.restore(restoreCommand(pinned(), `${restored}/nothing`, { include, dryRun }));
    expect(record).toMatchObject({ phase: "Failed", reason: "NothingMatched", snapshotID: laterID });
    expect(record.message).toContain("nothing in the snapshot matches /etc/app.conf, nor any other pattern of include");
    expect(record.message).toContain(`restic ls ${laterID.slice(0, 8)}`);
  });

  test("pathMapping puts folders of the snapshot where they are wanted", async () => {
    const pathMapping = [
      { from: `${source}/etc`, to: `${restored}/mapped/config` },
      { from: `${source}/data`, to: `${restored}/mapped/files` },
    ];
    const record = await host.agent.restore(
      restoreCommand(pinned(), restored, { pathMapping, exclude: [`${source}/data/binary`] }),
    );
    expect(record).toMatchObject({ phase: "Succeeded" });
    expect(readFileSync(`${restored}/mapped/config/app.conf`, "utf8")).toBe("port = 80\n");
    expect(lstatSync(`${restored}/mapped/files/link`).isSymbolicLink()).toBe(true);
    expect(lstatSync(`${restored}/mapped/files/binary`, { throwIfNoEntry: false })).toBeUndefined();
  });

  test.each([
    ["that the snapshot does not have", "nope"],
    ["that is a file there", "etc/app.conf"],
  ])("a folder of pathMapping %s is named as it was written", async (_, name) => {
    const pathMapping = [{ from: `${source}/${name}`, to: `${restored}/nope` }];
    const record = await host.agent.restore(restoreCommand(pinned(), restored, { pathMapping }));
    const id = laterID.slice(0, 8);
    expect(record).toMatchObject({
      phase: "Failed",
      reason: "NothingMatched",
      message: `pathMapping.from ${source}/${name} is no folder of snapshot ${id}: list what is there with restic ls ${id}`,
    });
  });

  test("pathMapping leads nowhere but below target.path", async () => {
    const pathMapping = [{ from: `${source}/etc`, to: `${restored}/beside` }];
    const record = await host.agent.restore(restoreCommand(pinned(), `${restored}/mapped`, { pathMapping }));
    expect(record).toMatchObject({ phase: "Failed", reason: "TargetInvalid" });
    expect(record.message).toContain(`${restored}/beside does not lie below target.path ${restored}/mapped`);
    expect(lstatSync(`${restored}/beside`, { throwIfNoEntry: false })).toBeUndefined();
  });

  test("an include that names nothing of the mapped folders is no success", async () => {
    const pathMapping = [{ from: `${source}/etc`, to: `${restored}/none` }];
    const record = await host.agent.restore(
      restoreCommand(pinned(), restored, { pathMapping, include: [`${source}/data`] }),
    );
    expect(record).toMatchObject({ phase: "Failed", reason: "TargetInvalid" });
    expect(record.message).toContain("include names nothing");
  });

  test("a symlink that one mapped folder brings is no way out for the next", async () => {
    const outside = `${folder}/outside`;
    mkdirSync(outside);
    mkdirSync(`${source}/hostile`);
    symlinkSync(outside, `${source}/hostile/link`);
    await host.agent.run(runCommand());
    rmSync(`${source}/hostile`, { recursive: true });
    const pathMapping = [
      { from: `${source}/hostile`, to: `${restored}/two` },
      { from: `${source}/etc`, to: `${restored}/two/link` },
    ];
    const record = await host.agent.restore(restoreCommand(pinned(), restored, { pathMapping }));
    expect(record).toMatchObject({ phase: "Failed", reason: "HostRefused" });
    expect(readdirSync(outside)).toEqual([]);
    laterID = (await host.agent.run(runCommand())).snapshots[0]!.id;
  });

  test("a dry run writes nothing", async () => {
    const record = await host.agent.restore(restoreCommand(pinned(), `${restored}/dry`, { dryRun: true }));
    expect(record).toMatchObject({ phase: "Succeeded", restored: { files: expect.any(Number) } });
    expect(record.message).toMatch(/^dry run, nothing was written: \d+ files and folders, 3 MiB would be$/);
    expect(lstatSync(`${restored}/dry`, { throwIfNoEntry: false })).toBeUndefined();
  });

  test("Never keeps what is there, Always writes over it", async () => {
    const target = `${restored}/again`;
    const command = { include: [`${source}/etc/app.conf`] };
    await host.agent.restore(restoreCommand(pinned(), target, command));
    const file = `${target}${source}/etc/app.conf`;
    writeFileSync(file, "changed");
    const kept = await host.agent.restore(restoreCommand(pinned(), target, { ...command, overwrite: "Never" }));
    expect(kept.message).toContain("; 1 file was there already and was kept (overwrite: Never)");
    expect(readFileSync(file, "utf8")).toBe("changed");
    const again = { ...command, overwrite: "Never", verify: true } as const;
    const verified = await host.agent.restore(restoreCommand(pinned(), target, again));
    expect(verified).toMatchObject({
      phase: "Succeeded",
      message: expect.stringContaining("; 1 file was there already and was kept, not compared with the snapshot"),
    });
    await host.agent.restore(restoreCommand(pinned(), target, { ...command, overwrite: "Always" }));
    expect(readFileSync(file, "utf8")).toBe("port = 80\n");
  });
});

test("a running restore can be cancelled", async () => {
  const command = restoreCommand(pinned(), `${restored}/slow`, { limits: { downloadKiBps: 100 } });
  host.agent.core.command(command);
  await until("restic restores", () =>
    host.agent.progress.some(({ uid, progress }) => uid === command.id && progress !== undefined),
  );
  host.agent.core.command(cancelCommand("restore", command.id));
  expect(await host.agent.ended(command.id)).toMatchObject({
    kind: "restore",
    phase: "Cancelled",
    snapshotID: laterID,
  });
});

test("the access to the repository is on no disk while a restore runs", async () => {
  const command = restoreCommand(pinned(), `${restored}/secret`, { limits: { downloadKiBps: 300 } });
  host.agent.core.command(command);
  await until("restic restores", () =>
    host.agent.progress.some(({ uid, progress }) => uid === command.id && progress !== undefined),
  );
  for (const entry of readdirSync(`${folder}/state`, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) expect(readFileSync(`${entry.parentPath}/${entry.name}`).includes("correct horse")).toBe(false);
  }
  expect(await host.agent.ended(command.id)).toMatchObject({ phase: "Succeeded" });
  rmSync(`${restored}/secret`, { recursive: true });
});

test("a restore is carried out once for ever: its repeated command is answered with the recorded outcome", async () => {
  const command = restoreCommand(pinned(), `${restored}/once`);
  await host.agent.restore(command);
  rmSync(`${restored}/once`, { recursive: true });
  expect(host.agent.core.command(command)).toEqual({ state: "duplicate" });
  expect(host.agent.core.active()).toEqual([]);
  expect(lstatSync(`${restored}/once`, { throwIfNoEntry: false })).toBeUndefined();
});

test("in a container the host's root lies below a prefix: policies, messages and targets speak of the host's paths", async () => {
  const root = `${folder}/host`;
  mkdirSync(`${root}/srv/www`, { recursive: true });
  writeFileSync(`${root}/srv/www/index.html`, "hello");
  writeFileSync(`${root}/srv/www/debug.log`, "noise");
  const contained = await openAgent(`${folder}/contained`, {
    hostRoot: root,
    rules: { restoreRoots: ["/restored"] },
  });
  const files = { ...policy(["/srv/www"]).files, exclude: ["/srv/www/debug.log"] };
  contained.core.applyConfig(config([policy(["/srv/www"], { files })], [pinned()]));
  const run = await contained.run(runCommand());
  expect(run).toMatchObject({ phase: "Succeeded", effective: { paths: ["/srv/www"] }, snapshots: [{ totalFiles: 1 }] });

  contained.core.applyConfig(config([policy(["/srv/missing"])], [pinned()]));
  const failed = await contained.run(runCommand());
  expect(failed.message).toContain("/srv/missing");
  expect(failed.message).not.toContain(root);

  const pathMapping = [{ from: "/srv/www", to: "/restored/www" }];
  const snapshot = { id: run.snapshots[0]!.id };
  expect(await contained.restore(restoreCommand(pinned(), "/restored", { snapshot, pathMapping }))).toMatchObject({
    phase: "Succeeded",
  });
  expect(readFileSync(`${root}/restored/www/index.html`, "utf8")).toBe("hello");
  await contained.close();
});
