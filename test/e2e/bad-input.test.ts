import { execFile } from "node:child_process";
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";
import type { BackupRun } from "#crds/backuprun.ts";
import type { Repository } from "#crds/repository.ts";
import type { Restore } from "#crds/restore.ts";
import type { Machine } from "../../hack/stage/machine.ts";
import { condition, create, ended, enrolled, logsOnFailure, ready, testStage } from "../stage.ts";

const exec = promisify(execFile);
const stage = testStage();
let machine: Machine;

beforeAll(async () => {
  await stage().applyQuickstart();
  machine = await enrolled(stage(), "web-1");
  mkdirSync(join(machine.root, "srv/www"), { recursive: true });
  writeFileSync(join(machine.root, "srv/www/page.html"), "hello");
  await ready(stage(), "repository/offsite", "backuppolicy/www");
  await create(stage(), "BackupRun", "good", { policyRef: "www", hostRef: "web-1" });
  expect((await ended<BackupRun>(stage(), "backuprun", "good")).status?.phase).toBe("Succeeded");
});

const server = { envFrom: [{ secretRef: { name: "offsite-server" } }] };
const tls = { tls: { caFrom: { secretKeyRef: { name: "offsite-server", key: "ca.crt" } } } };
const password = { passwordFrom: { secretKeyRef: { name: "offsite-password", key: "password" } } };

/** A Repository at `path` of the rest-server, and a policy on it so that a host opens it. */
async function repository(name: string, spec: object): Promise<void> {
  await create(stage(), "Repository", name, {
    url: `${stage().repository.url}${name}/`,
    ...password,
    ...server,
    ...tls,
    ...spec,
  });
  await policy(name, { repository: { name } });
}

function policy(name: string, spec: object): Promise<void> {
  return create(stage(), "BackupPolicy", name, {
    hosts: { names: ["web-1"] },
    repository: { name: "offsite" },
    files: { paths: ["/srv/www"] },
    ...spec,
  });
}

describe("a repository that cannot be opened says why and what to do:", () => {
  test("a wrong password", async () => {
    logsOnFailure(stage());
    await repository("wrong-password", { initialize: true });
    await ready(stage(), "repository/wrong-password");
    await stage().kubectl(["delete", "repository", "wrong-password"]);
    await stage().createSecret("wrong", { password: "not the password" });
    await create(stage(), "Repository", "wrong-password", {
      url: `${stage().repository.url}wrong-password/`,
      passwordFrom: { secretKeyRef: { name: "wrong", key: "password" } },
      ...server,
      ...tls,
    });
    const found = await condition(stage(), "repository/wrong-password", "Ready", (c) => c.reason === "WrongPassword");
    expect(found.status).toBe("False");
    expect(found.message).toContain("passwordFrom");
  });

  test("a repository that is not there, and initialize is false", async () => {
    await repository("absent", {});
    const found = await condition(
      stage(),
      "repository/absent",
      "Ready",
      (c) => c.reason === "RepositoryNotInitialized",
    );
    expect(found.message).toContain("initialize: true");
    const waiting = await condition(stage(), "backuppolicy/absent", "Ready", (c) => c.status === "False");
    expect(waiting.message).toContain("absent");
  });

  test("a missing Secret and a missing key, by name", async () => {
    await repository("no-secret", { passwordFrom: { secretKeyRef: { name: "nowhere", key: "password" } } });
    const missing = await condition(stage(), "repository/no-secret", "Ready", (c) => c.reason === "SecretMissing");
    expect(missing.message).toContain("nowhere");
    await repository("no-key", { passwordFrom: { secretKeyRef: { name: "offsite-password", key: "pass" } } });
    const key = await condition(stage(), "repository/no-key", "Ready", (c) => c.reason === "SecretMissing");
    expect(key.message).toContain("pass");
  });

  test("a server that does not answer, within 10 s", async () => {
    logsOnFailure(stage());
    await repository("unreachable", { url: "rest:https://127.0.0.1:9/unreachable/" });
    const found = await condition(
      stage(),
      "repository/unreachable",
      "Ready",
      (c) => c.reason === "RepositoryUnreachable",
      10,
    );
    expect(found.status).toBe("False");
  });
});

test("a repository whose id is known and that is gone is never created again", async () => {
  logsOnFailure(stage());
  await repository("vanishing", { initialize: true });
  await ready(stage(), "repository/vanishing", "backuppolicy/vanishing");
  const { status } = await stage().get<Repository>("repository", "vanishing");
  rmSync(join(stage().repository.data, "vanishing"), { recursive: true });
  await create(stage(), "BackupRun", "vanished", { policyRef: "vanishing", hostRef: "web-1" });
  const run = await ended<BackupRun>(stage(), "backuprun", "vanished");
  expect(run.status).toMatchObject({ phase: "Failed", reason: "RepositoryMissing" });
  expect((await stage().get<Repository>("repository", "vanishing")).status?.repositoryID).toBe(status?.repositoryID);
  await expect(exec("test", ["-e", join(stage().repository.data, "vanishing", "config")])).rejects.toThrow();
});

test("another repository at the address stops the backup", async () => {
  logsOnFailure(stage());
  await repository("swapped", { initialize: true });
  await repository("impostor", { initialize: true });
  await ready(stage(), "repository/swapped", "repository/impostor", "backuppolicy/swapped");
  const data = stage().repository.data;
  renameSync(join(data, "swapped"), join(data, "put-away"));
  renameSync(join(data, "impostor"), join(data, "swapped"));
  await create(stage(), "BackupRun", "swapped", { policyRef: "swapped", hostRef: "web-1" });
  const run = await ended<BackupRun>(stage(), "backuprun", "swapped");
  expect(run.status).toMatchObject({ phase: "Failed", reason: "RepositoryMismatch" });
});

test("the server going away shows on the run within 10 s while restic still tries", async () => {
  logsOnFailure(stage());
  await stage().repository.stop();
  await create(stage(), "BackupRun", "no-server", { policyRef: "www", hostRef: "web-1" });
  await condition(stage(), "backuprun/no-server", "Ready", (c) => c.reason === "RepositoryUnreachable", 10);
  await stage().repository.start();
  const run = await ended<BackupRun>(stage(), "backuprun", "no-server", 90);
  expect(run.status).toMatchObject({ phase: "Succeeded" });
}, 150_000);

describe("a policy that cannot work says so:", () => {
  test("an unknown time zone", async () => {
    await policy("zone", { schedule: "0 2 * * *", timeZone: "Europe/Berlinn" });
    const found = await condition(stage(), "backuppolicy/zone", "Stalled", (c) => c.status === "True");
    expect(found.message).toContain("Europe/Berlinn");
  });

  test("a day that no month has", async () => {
    await policy("never", { schedule: "0 2 30 2 *" });
    const found = await condition(stage(), "backuppolicy/never", "Stalled", (c) => c.status === "True");
    expect(found.message).toContain("0 2 30 2 *");
  });

  test("no host selected", async () => {
    await policy("nobody", { hosts: { selector: { matchLabels: { role: "nobody" } } } });
    const found = await condition(stage(), "backuppolicy/nobody", "Ready", (c) => c.reason === "NoHosts");
    expect(found.message).toContain("kubectl");
  });

  test("a Repository that does not exist", async () => {
    await policy("homeless", { repository: { name: "elsewhere" } });
    const found = await condition(stage(), "backuppolicy/homeless", "Ready", (c) => c.reason === "RepositoryNotFound");
    expect(found.message).toContain("elsewhere");
  });
});

test("a path that does not exist fails the run and is named", async () => {
  await policy("no-path", { files: { paths: ["/srv/www", "/srv/nowhere"] } });
  await ready(stage(), "backuppolicy/no-path");
  await create(stage(), "BackupRun", "no-path", { policyRef: "no-path", hostRef: "web-1" });
  const run = await ended<BackupRun>(stage(), "backuprun", "no-path");
  expect(run.status).toMatchObject({ phase: "Failed", reason: "PathMissing" });
  expect(run.status?.message).toContain("/srv/nowhere");
});

describe("a restore that cannot work says so:", () => {
  const target = { hostRef: "web-1", path: "/var/lib/holdfast/restore/x" };
  const restore = async (name: string, spec: object): Promise<Restore> => {
    await create(stage(), "Restore", name, { source: { repository: "offsite", policy: "www" }, target, ...spec });
    return ended<Restore>(stage(), "restore", name);
  };

  test("a snapshot that is not there", async () => {
    const { status } = await restore("unknown", { source: { repository: "offsite", snapshot: "0123456789abcdef" } });
    expect(status).toMatchObject({ phase: "Failed", reason: "SnapshotNotFound" });
    expect(status?.message).toContain("01234567");
  });

  test("a policy that never ran", async () => {
    const { status } = await restore("never-ran", { source: { repository: "offsite", policy: "never-ran" } });
    expect(status).toMatchObject({ phase: "Failed", reason: "SnapshotNotFound" });
  });

  test("a target that is a file", async () => {
    const folder = join(machine.root, "var/lib/holdfast/restore");
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "file"), "I am a file");
    const { status } = await restore("file", { target: { ...target, path: "/var/lib/holdfast/restore/file" } });
    expect(status).toMatchObject({ phase: "Failed", reason: "TargetInvalid" });
  });

  test("a target outside the restore roots names the flag", async () => {
    const { status } = await restore("outside", { target: { ...target, path: "/etc" } });
    expect(status?.phase).toBe("Failed");
    expect(status?.message).toContain("--restore-root");
  });

  test("a host that is offline", async () => {
    await create(stage(), "Host", "asleep", {});
    await create(stage(), "Restore", "asleep", {
      source: { repository: "offsite", policy: "www", hostName: "web-1" },
      target: { ...target, hostRef: "asleep" },
      startingDeadlineSeconds: 3,
    });
    const waiting = await condition(stage(), "restore/asleep", "Ready", (c) => c.reason === "HostOffline", 5);
    expect(waiting.message).toContain("asleep");
    expect((await ended<Restore>(stage(), "restore", "asleep")).status).toMatchObject({
      phase: "Failed",
      reason: "DeadlineExceeded",
    });
  });
});

describe("an enrolment that cannot work says so:", () => {
  const token = (name: string, spec: object) => create(stage(), "EnrollmentToken", name, spec);

  test("a malformed and an unknown token", async () => {
    await token("fine", {});
    const good = await stage().invitation("fine");
    const machine = stage().machine("new-1");
    await expect(machine.enrol({ ...good, token: "hft_nonsense" })).rejects.toThrow(/hft_/);
    const unknown = `hft_${"0".repeat(32)}_${"A".repeat(43)}`;
    await expect(machine.enrol({ ...good, token: unknown })).rejects.toThrow(/unknown|no token|not known/i);
  });

  test("a token that was used up", async () => {
    await token("once", {});
    const invitation = await stage().invitation("once");
    await stage().machine("new-2").enrol(invitation);
    await expect(stage().machine("new-3").enrol(invitation)).rejects.toThrow(/used/i);
  });

  test("a wrong pin, before the token is sent", async () => {
    await token("pinned", {});
    const invitation = await stage().invitation("pinned");
    const pin = `sha256/${Buffer.alloc(32).toString("base64")}`;
    await expect(
      stage()
        .machine("new-4")
        .enrol({ ...invitation, pin }),
    ).rejects.toThrow(/pin/i);
    await stage().machine("new-4").enrol(invitation);
  });

  test("a name that another host has", async () => {
    await token("taken", {});
    const invitation = await stage().invitation("taken");
    const twin = stage().machine("web-1-twin", { HOLDFAST_HOSTNAME: "web-1" });
    await expect(twin.enrol(invitation)).rejects.toThrow(/reenroll/);
  });
});
