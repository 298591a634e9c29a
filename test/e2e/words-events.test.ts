import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import type { BackupRun } from "#crds/backuprun.ts";
import type { Restore } from "#crds/restore.ts";
import type { Machine } from "../../hack/stage/machine.ts";
import { until } from "../../hack/stage/until.ts";
import { condition, create, ended, enrolled, logsOnFailure, ready, testStage } from "../stage.ts";

const stage = testStage();
let machine: Machine;

beforeAll(async () => {
  await stage().applyQuickstart();
  machine = await enrolled(stage(), "web-1");
  mkdirSync(join(machine.root, "srv/www"), { recursive: true });
  writeFileSync(join(machine.root, "srv/www/index.html"), "x".repeat(3000));
  await ready(stage(), "repository/offsite", "backuppolicy/www");
});

/** What `kubectl events` says of an object, one line an Event, once a line fits. */
function events(object: string, fits: RegExp): Promise<string[]> {
  return until(`an Event ${fits} of ${object}`, 30, async () => {
    const lines = (await stage().kubectl(["events", "--for", object, "--no-headers"])).trimEnd().split("\n");
    return lines.some((line) => fits.test(line)) && lines;
  });
}

async function run(name: string): Promise<BackupRun["status"]> {
  await create(stage(), "BackupRun", name, { policyRef: "www", hostRef: "web-1" });
  return (await ended<BackupRun>(stage(), "backuprun", name)).status;
}

test("an enrolment is told on its token, the pinned id on its repository", async () => {
  logsOnFailure(stage());
  await events(
    "enrollmenttoken/web-1",
    /Normal +TokenUsedUp +EnrollmentToken\/web-1 +Host web-1 enrolled with EnrollmentToken web-1; it is used up/,
  );
  await events(
    "repository/offsite",
    /Normal +Pinned +Repository\/offsite +web-1 created the repository [0-9a-f]{8}, whose/,
  );
});

test("a failed backup is told on its policy and its host, with the cause and where to look; its success before is not", async () => {
  logsOnFailure(stage());
  expect(await run("well")).toMatchObject({ phase: "Succeeded" });
  renameSync(join(machine.root, "srv/www"), join(machine.root, "srv/away"));
  expect(await run("ill")).toMatchObject({ phase: "Failed", reason: "PathMissing" });
  const note =
    "The backup www of web-1 failed. PathMissing: .*/srv/www.* It last succeeded at .*Z; kubectl describe backuprun ill says more.";
  const lines = await events("backuppolicy/www", new RegExp(`Warning +BackupFailed +BackupPolicy/www +${note}`));
  expect(lines).toHaveLength(1);
  await events("host/web-1", new RegExp(`Warning +BackupFailed +Host/web-1 +${note}`));
  expect(await stage().kubectl(["describe", "host", "web-1"])).toMatch(/Warning +BackupFailed .*PathMissing/);
});

test("the first success after it is told, the second is not", async () => {
  logsOnFailure(stage());
  renameSync(join(machine.root, "srv/away"), join(machine.root, "srv/www"));
  expect(await run("well-again")).toMatchObject({ phase: "Succeeded" });
  expect(await run("and-again")).toMatchObject({ phase: "Succeeded" });
  const lines = await events("host/web-1", /Normal +BackupRecovered .*\(BackupRun well-again\)/);
  expect(lines.filter((line) => line.includes("BackupRecovered"))).toHaveLength(1);
});

test("the end of a restore is told with what it wrote and where", async () => {
  logsOnFailure(stage());
  await create(stage(), "Restore", "back", {
    source: { repository: "offsite", policy: "www" },
    target: { hostRef: "web-1", path: "/var/lib/holdfast/restore/back" },
  });
  expect((await ended<Restore>(stage(), "restore", "back")).status).toMatchObject({ phase: "Succeeded" });
  await events(
    "restore/back",
    /Normal +RestoreSucceeded .* of snapshot [0-9a-f]{8} to \/var\/lib\/holdfast\/restore\/back on web-1 is done: \d+ files and folders, .* restored\./,
  );
});

test("a repository that nothing answers for is told with what to check", async () => {
  logsOnFailure(stage());
  await create(stage(), "Repository", "gone", {
    url: "rest:https://127.0.0.1:9/gone/",
    passwordFrom: { secretKeyRef: { name: "offsite-password", key: "password" } },
  });
  await create(stage(), "BackupPolicy", "gone", {
    hosts: { names: ["web-1"] },
    repository: { name: "gone" },
    files: { paths: ["/srv/www"] },
  });
  await events("repository/gone", /Warning +RepositoryUnreachable +Repository\/gone +Repository gone is not ready/);
});

test("kubectl get says of a real host, policy and run whether it is well, when it last worked and what is next", async () => {
  logsOnFailure(stage());
  await stage().kubectl([
    "patch",
    "backuppolicy",
    "www",
    "--type=merge",
    '--patch={"spec":{"schedule":"30 2 31 12 *","timeZone":"UTC"}}',
  ]);
  await condition(stage(), "host/web-1", "ConfigApplied", ({ status }) => status === "True");
  const next = `${new Date().getUTCFullYear()}-12-31T02:30Z`;
  const row = async (...args: string[]) => (await stage().kubectl(["get", ...args, "--no-headers"])).trimEnd();
  const policy = await until("the policy's row", 30, async () => {
    const line = await row("backuppolicy", "www");
    return line.endsWith(next) && line;
  });
  expect(policy).toMatch(/^www +True +1\/1 +\d+[smh]\S* +20/);
  const host = await until("the host's row", 30, async () => {
    const line = await row("host", "web-1");
    return line.endsWith(next) && line;
  });
  // The second policy has had no success yet.
  expect(host).toMatch(/^web-1 +True +1\/2 +\d+[smh]\S* +20/);
  expect(await row("backuprun", "and-again")).toMatch(/^and-again +Succeeded +\d+[smh]\S* +\S+ \S*B in \d+s$/);
  expect(await row("backuprun", "ill")).toMatch(/^ill +Failed +(\d+[smh]\S* +)?PathMissing$/);
  await create(stage(), "Host", "asleep", {});
  await create(stage(), "Restore", "waiting", {
    source: { repository: "offsite", policy: "www" },
    target: { hostRef: "asleep", path: "/var/lib/holdfast/restore/waiting" },
  });
  await until("the waiting restore's row", 30, async () =>
    /^waiting +Pending +HostOffline$/.test(await row("restore", "waiting")),
  );
  expect(await row("repository", "gone")).toMatch(/^gone +False +RepositoryUnreachable +\d/);
});
