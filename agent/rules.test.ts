import { describe, expect, test } from "vitest";
import {
  checkBackupPath,
  checkRepository,
  checkRestorePath,
  checkSecretPointer,
  DEFAULT_RULES,
  type HostRules,
  isSecretVariable,
  REPOSITORY_SCHEMES,
  schemeOf,
} from "./rules.ts";

const rules: HostRules = { ...DEFAULT_RULES, backupRoots: ["/srv", "/etc/"] };
const own = ["/var/lib/holdfast/state"];

describe("what a host allows", () => {
  test.each<[string, () => unknown]>([
    ["a backup root itself", () => checkBackupPath(rules, "/srv", own)],
    ["a path below a backup root", () => checkBackupPath(rules, "/srv/www/", own)],
    ["a root that was written with a slash at its end", () => checkBackupPath(rules, "/etc/ssh", own)],
    ["everything by default", () => checkBackupPath(DEFAULT_RULES, "/", own)],
    ["a restore below the default root", () => checkRestorePath(DEFAULT_RULES, "/var/lib/holdfast/restore/web")],
    [
      "a REST server with a user",
      () => checkRepository(DEFAULT_RULES, "rest:https://host/a/", ["RESTIC_REST_USERNAME", "RESTIC_REST_PASSWORD"]),
    ],
    [
      "S3 with its keys",
      () => checkRepository(DEFAULT_RULES, "s3:https://s3/bucket", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]),
    ],
    ["a password file where it belongs", () => checkSecretPointer(DEFAULT_RULES, "file:/etc/holdfast/secrets.d/main")],
    ["a password in a variable of ours", () => checkSecretPointer(DEFAULT_RULES, "env:HOLDFAST_SECRET_MAIN")],
    [
      "a local repository where that was opted in",
      () => checkRepository({ ...DEFAULT_RULES, repositorySchemes: ["local"] }, "/mnt/disk", []),
    ],
  ])("%s", (_, check) => {
    expect(check).not.toThrow();
  });
});

describe("what a host refuses, and how that is changed", () => {
  test.each<[string, () => unknown, string]>([
    [
      "a path outside the backup roots",
      () => checkBackupPath(rules, "/home", own),
      "--backup-root (HOLDFAST_BACKUP_ROOTS)",
    ],
    [
      "a path that only begins like a backup root",
      () => checkBackupPath(rules, "/srv2", own),
      "which allows /srv, /etc/",
    ],
    ["a path with dots", () => checkBackupPath(rules, "/srv/../root", own), "write it in full"],
    ["a path with NUL", () => checkBackupPath(rules, "/srv/\0", own), "no absolute path"],
    [
      "the agent's own state",
      () => checkBackupPath(DEFAULT_RULES, "/var/lib/holdfast/state/agent.db", own),
      "take it out of the policy's paths",
    ],
    [
      "a restore into the live system",
      () => checkRestorePath(DEFAULT_RULES, "/etc"),
      "choose among these, or have the host's administrator allow more with --restore-root (HOLDFAST_RESTORE_ROOTS)",
    ],
    [
      "a local repository by default",
      () => checkRepository(DEFAULT_RULES, "/mnt/disk/repo", []),
      "--repository-scheme (HOLDFAST_REPOSITORY_SCHEMES)",
    ],
    ["rclone by default", () => checkRepository(DEFAULT_RULES, "rclone:remote:path", []), "--repository-scheme ("],
    [
      "a password in the url",
      () => checkRepository(DEFAULT_RULES, "rest:https://user:pw@host/", []),
      "the Secret named in envFrom",
    ],
    [
      "a variable that runs commands",
      () => checkRepository(DEFAULT_RULES, "rest:https://host/", ["RCLONE_SFTP_SSH", "PATH"]),
      "may not set RCLONE_SFTP_SSH, PATH: remove them from",
    ],
    [
      "a variable of another kind of repository",
      () => checkRepository(DEFAULT_RULES, "rest:https://host/", ["AWS_ACCESS_KEY_ID"]),
      "may not set AWS_ACCESS_KEY_ID: remove it from",
    ],
    [
      "a password file elsewhere",
      () => checkSecretPointer(DEFAULT_RULES, "file:/etc/shadow"),
      "--secret-file-root (HOLDFAST_SECRET_FILE_ROOTS)",
    ],
    [
      "a password file by dots",
      () => checkSecretPointer(DEFAULT_RULES, "file:/etc/holdfast/secrets.d/../../shadow"),
      "write it in full",
    ],
    [
      "any other variable",
      () => checkSecretPointer(DEFAULT_RULES, "env:AWS_SECRET_ACCESS_KEY"),
      "only env:RESTIC_PASSWORD, env:HOLDFAST_SECRET_*",
    ],
  ])("%s", (_, check, cure) => {
    expect(check).toThrow(cure);
  });
});

const ALL = { ...DEFAULT_RULES, repositorySchemes: REPOSITORY_SCHEMES };

test.each([
  "rest:https://user:pw@host/",
  "rest:https://user@host/",
  "s3:HTTPS://user:pw@host/bucket",
  "s3://user:pw@host/bucket",
  "sftp://user:pw@host/srv",
  "sftp:user:pw@host:/srv",
])("%s holds credentials and is refused without repeating them", (url) => {
  const error = expect.objectContaining({ message: expect.not.stringContaining("pw@") });
  expect(() => checkRepository(ALL, url, [])).toThrow(/take them out of url/);
  expect(() => checkRepository(ALL, url, [])).toThrow(error);
});

test.each([
  "rest:http://[::1]:8000/a@b",
  "s3:https://host:9000/bucket/a@b",
  "sftp:user@host:/srv/a@b",
  "sftp://user@host:2222//srv",
  "b2:bucket:path@x",
  "rclone:remote:path@x",
  "/mnt/a:b@c",
])("%s holds none", (url) => {
  expect(() => checkRepository(ALL, url, [])).not.toThrow();
});

test.each(["rclone:remote,ssh=reboot:path", "rclone::sftp,host=h,ssh=reboot:path", "rclone::local:/", "rclone:remote"])(
  "%s names no remote of the host's own, and is refused: rclone would run what stands there",
  (url) => {
    expect(() => checkRepository(ALL, url, [])).toThrow(/may only name an rclone remote that this host's rclone.conf/);
  },
);

test("an unknown prefix is a local path, as restic reads it", () => {
  expect(schemeOf("foo:bar")).toBe("local");
  expect(schemeOf("/mnt/repo")).toBe("local");
  expect(schemeOf("s3:host/bucket")).toBe("s3");
});

test.each([
  ["RESTIC_REST_USERNAME", false],
  ["AWS_REGION", false],
  ["OS_TENANT_NAME", false],
  ["RESTIC_REST_PASSWORD", true],
  ["AWS_ACCESS_KEY_ID", true],
  ["AWS_SESSION_TOKEN", true],
  ["HTTPS_PROXY", true],
  ["SOMETHING_ELSE", true],
])("the value of %s is a secret: %s", (name, secret) => {
  expect(isSecretVariable(name)).toBe(secret);
});
