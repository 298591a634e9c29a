import { describe, expect, test } from "vitest";
import { policyPlan } from "#protocol/fixtures.ts";
import { backupArgv, resticEnvironment, restoreArgv, smallest, snapshotsArgv } from "./argv.ts";
import { pathsBelow } from "./paths.ts";
import { partsOf } from "./restore.ts";

const policy = policyPlan({
  files: {
    paths: ["/srv", "/-odd"],
    requireMountpoint: false,
    exclude: ["*.tmp", "/srv/cache", "!/srv/cache/keep", "--odd"],
    excludeIfPresent: [".nobackup"],
    excludeCaches: true,
    excludeLargerThanBytes: 1000,
    oneFileSystem: true,
  },
  restic: { compression: "max", packSizeMiB: 64, readConcurrency: 4, skipIfUnchanged: true },
});
const backup = (change: Partial<Parameters<typeof backupArgv>[0]> = {}) =>
  backupArgv({
    policy,
    paths: pathsBelow(""),
    host: "web-1",
    tags: ["holdfast"],
    limits: {},
    remainingMs: 90_500,
    dryRun: false,
    ownFolders: ["/var/lib/[a]*"],
    ...change,
  });
const command = { include: [], exclude: [], overwrite: "IfChanged", verify: false, dryRun: false } as const;
const restore = (change: Partial<Parameters<typeof restoreArgv>[0]> = {}) =>
  restoreArgv({
    command: { ...command, include: [], exclude: [] },
    snapshotID: "abcd",
    from: "",
    target: "/t",
    limits: {},
    remainingMs: 1000,
    ...change,
  });

describe("the arguments of a backup", () => {
  test("all that a policy can say", () => {
    expect(backup({ limits: { uploadKiBps: 5, downloadKiBps: 6 }, dryRun: true })).toMatchInlineSnapshot(`
      [
        "backup",
        "--json",
        "--host=web-1",
        "--tag=holdfast",
        "--exclude=*.tmp",
        "--exclude=/srv/cache",
        "--exclude=!/srv/cache/keep",
        "--exclude=--odd",
        "--exclude=/var/lib/\\[a\\]\\*",
        "--exclude-if-present=.nobackup",
        "--exclude-caches",
        "--exclude-larger-than=1000",
        "--one-file-system",
        "--compression=max",
        "--pack-size=64",
        "--read-concurrency=4",
        "--skip-if-unchanged",
        "--dry-run",
        "--limit-upload=5",
        "--limit-download=6",
        "--retry-lock=90s",
        "--",
        "/srv",
        "/-odd",
      ]
    `);
  });
  test("are paths and patterns of the container where the host's root lies below a prefix", () => {
    const argv = backup({ paths: pathsBelow("/host") });
    expect(argv.slice(argv.indexOf("--") + 1)).toEqual(["/host/srv", "/host/-odd"]);
    expect(argv.filter((argument) => argument.startsWith("--exclude="))).toEqual([
      "--exclude=*.tmp",
      "--exclude=/host/srv/cache",
      "--exclude=!/host/srv/cache/keep",
      "--exclude=--odd",
      "--exclude=/var/lib/\\[a\\]\\*",
    ]);
  });
  test("leave out the agent's own folders, whatever the policy brings back", () => {
    const { files } = policy;
    const argv = backup({ policy: { ...policy, files: { ...files, exclude: ["!/var/lib/**"] } } });
    expect(argv.filter((argument) => argument.startsWith("--exclude=")).at(-1)).toBe("--exclude=/var/lib/\\[a\\]\\*");
  });
  test("never hold a tag that restic would split into another policy's", () => {
    expect(() => backup({ tags: ["x,policy=backups/other"] })).toThrow("write two tags instead");
  });
});

describe("the arguments of a restore", () => {
  test("a whole snapshot", () => {
    expect(restore()).toEqual([
      "restore",
      "--json",
      "--target=/t",
      "--overwrite=if-changed",
      "--retry-lock=1s",
      "--",
      "abcd",
    ]);
  });
  test("a folder of it, whose patterns count from there", () => {
    expect(restore({ from: "/host/srv", command: { ...command, include: ["/www"], exclude: [] } })).toEqual([
      "restore",
      "--json",
      "--target=/t",
      "--include=/www",
      "--overwrite=if-changed",
      "--retry-lock=1s",
      "--",
      "abcd:/host/srv",
    ]);
  });
  test("a dry run verifies nothing, because restic refuses both", () => {
    const argv = restore({ command: { ...command, include: [], exclude: [], dryRun: true, verify: true } });
    expect(argv).toContain("--dry-run");
    expect(argv).not.toContain("--verify");
  });
});

describe("the parts of a restore", () => {
  const parts = (change: Partial<Parameters<typeof partsOf>[0]>) =>
    partsOf({ target: { path: "/t" }, pathMapping: [], include: [], exclude: [], ...change });
  const pathMapping = [
    { from: "/srv/www/", to: "/t/www" },
    { from: "/etc", to: "/t/etc" },
  ];
  test("without a mapping there is one", () => {
    expect(parts({ include: ["/srv"] })).toEqual([{ to: "/t", include: ["/srv"], exclude: [] }]);
  });
  test("each mapped folder is one", () => {
    expect(parts({ pathMapping })).toEqual([
      { from: "/srv/www", to: "/t/www", include: [], exclude: [] },
      { from: "/etc", to: "/t/etc", include: [], exclude: [] },
    ]);
  });
  test("patterns count from the mapped folder; what lies elsewhere falls away", () => {
    expect(parts({ pathMapping, include: ["/srv/www/a", "/home"] })).toEqual([
      { from: "/srv/www", to: "/t/www", include: ["/a"], exclude: [] },
    ]);
    expect(parts({ pathMapping, include: ["/srv"] })).toEqual([
      { from: "/srv/www", to: "/t/www", include: [], exclude: [] },
    ]);
    expect(parts({ pathMapping, exclude: ["*.log", "/etc/ssh"] })).toEqual([
      { from: "/srv/www", to: "/t/www", include: [], exclude: ["*.log"] },
      { from: "/etc", to: "/t/etc", include: [], exclude: ["*.log", "/ssh"] },
    ]);
  });
  test("the root can be mapped too", () => {
    expect(parts({ pathMapping: [{ from: "/", to: "/t/all" }], include: ["/srv/a"] })).toEqual([
      { from: "/", to: "/t/all", include: ["/srv/a"], exclude: [] },
    ]);
  });
  test("include and exclude together are refused, as restic does", () => {
    expect(() => parts({ include: ["/a"], exclude: ["/b"] })).toThrow("leave one of them out");
  });
});

test("the smallest of host, policy and run limits counts, each direction for itself", () => {
  expect(smallest({ uploadKiBps: 10 }, { uploadKiBps: 5, downloadKiBps: 7 }, undefined, {})).toEqual({
    uploadKiBps: 5,
    downloadKiBps: 7,
  });
  expect(smallest(undefined, {})).toEqual({});
});

test("snapshots are found by all of their tags", () => {
  expect(snapshotsArgv({ host: "web-1", tags: ["a", "b"] })).toEqual([
    "snapshots",
    "--json",
    "--no-lock",
    "--host=web-1",
    "--tag=a,b",
  ]);
});

test("restic's environment holds what is named and nothing of the agent's", () => {
  process.env["HOLDFAST_TEST_LEAK"] = "1";
  const env = resticEnvironment({
    url: "rest:https://h/",
    env: { RESTIC_REST_USERNAME: "u" },
    passwordFile: "/p",
    cache: "/c/id",
    temporary: "/c/tmp",
  });
  expect(Object.keys(env).sort()).toEqual([
    "PATH",
    "RESTIC_CACHE_DIR",
    "RESTIC_PASSWORD_FILE",
    "RESTIC_PROGRESS_FPS",
    "RESTIC_REPOSITORY",
    "RESTIC_REST_USERNAME",
    "TMPDIR",
  ]);
});
