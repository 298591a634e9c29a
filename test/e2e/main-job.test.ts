import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, expect, test } from "vitest";
import { seededRandom } from "#base/random.ts";
import type { BackupPolicy } from "#crds/backuppolicy.ts";
import type { BackupRun } from "#crds/backuprun.ts";
import type { Host } from "#crds/host.ts";
import type { Repository } from "#crds/repository.ts";
import type { Restore } from "#crds/restore.ts";
import { differences, growTree, readTree } from "../../hack/demo/tree.ts";
import type { Machine } from "../../hack/stage/machine.ts";
import { until } from "../../hack/stage/until.ts";
import { create, ended, enrolled, logsOnFailure, ready, testStage } from "../stage.ts";

const stage = testStage();
let web1: Machine;
let web2: Machine;

beforeAll(async () => {
  await stage().applyQuickstart();
  web1 = await enrolled(stage(), "web-1");
  web2 = await enrolled(stage(), "web-2");
  for (const [seed, machine] of [web1, web2].entries())
    await growTree(join(machine.root, "srv/www"), 400, seededRandom(seed));
  await ready(stage(), "repository/offsite", "backuppolicy/www");
});

test("one host created the repository and its id is pinned", async () => {
  const { status } = await stage().get<Repository>("repository", "offsite");
  const { id } = JSON.parse(await stage().runRestic("cat", "config")) as { id: string };
  expect(status?.repositoryID).toBe(id);
  expect(["web-1", "web-2"]).toContain(status?.initializer?.hostRef);
});

test("a BackupRun that is created runs on its host and shows what restic did", async () => {
  logsOnFailure(stage());
  await create(stage(), "BackupRun", "first", { policyRef: "www", hostRef: "web-1" });
  const run = await ended<BackupRun>(stage(), "backuprun", "first");
  expect(run.status).toMatchObject({
    phase: "Succeeded",
    reason: "Completed",
    exitCode: 0,
    attempts: 1,
    effective: { repository: "offsite", paths: ["/srv/www"] },
    snapshots: [{ source: "files" }],
  });
  const [snapshot] = JSON.parse(await stage().runRestic("snapshots", "--json", "--tag", `run=${run.metadata.uid}`)) as {
    id: string;
    hostname: string;
    tags: string[];
    summary: { total_files_processed: number };
  }[];
  expect(snapshot).toMatchObject({ id: run.status?.snapshots?.[0]?.id, hostname: "web-1" });
  expect(snapshot?.tags).toEqual(
    expect.arrayContaining(["holdfast", `policy=${stage().namespace}/www`, "source=files", `run=${run.metadata.uid}`]),
  );
  expect(run.status?.snapshots?.[0]?.totalFiles).toBe(snapshot?.summary.total_files_processed);
});

test("what the README says to read the repository with restic itself lists the host's snapshot", async () => {
  const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
  const block = /```sh\n(secret\(\)[\s\S]*?)```/.exec(readme)?.[1] ?? "";
  const { cluster, directory, namespace, restic } = stage();
  const own = `kubectl() { command kubectl --namespace ${namespace} "$@"; }\n`;
  const env = {
    ...cluster.environment,
    HOME: directory,
    PATH: [dirname(cluster.kubectl), dirname(restic.program), process.env["PATH"]].join(":"),
  };
  const script = own + block.replace("policy=default/www", `policy=${namespace}/www`);
  const { stdout } = await promisify(execFile)("bash", ["-euc", script], { cwd: directory, env });
  const { status } = await stage().get<BackupRun>("backuprun", "first");
  expect(stdout).toContain(status?.snapshots?.[0]?.id.slice(0, 8));
});

test("the annotation run-requested-at runs the policy once on every host, and is echoed", async () => {
  await stage().kubectl(["annotate", "backuppolicy", "www", "holdfast.dev/run-requested-at=now"]);
  const runs = await until("a run on each host", 60, async () => {
    const { items } = await stage().get<{ items: BackupRun[] }>("backupruns");
    const asked = items.filter(({ metadata, status }) => metadata.name !== "first" && status?.phase === "Succeeded");
    return asked.length === 2 && asked;
  });
  expect(runs.map(({ spec }) => spec.hostRef).toSorted()).toEqual(["web-1", "web-2"]);
  const policy = await until("the echo", 30, async () => {
    const found = await stage().get<BackupPolicy>("backuppolicy", "www");
    return found.status?.lastHandledRunRequest === "now" && found.status.hosts?.succeeded === 2 && found;
  });
  expect(policy.status?.hosts).toMatchObject({ selected: 2, applied: 2, succeeded: 2, failing: 0 });
  const host = await stage().get<Host>("host", "web-1");
  expect(host.status?.config?.applied).toBe(host.status?.config?.desired);
});

test("a Restore of the newest snapshot brings every byte, mode and time back", async () => {
  logsOnFailure(stage());
  const tree = join(web1.root, "srv/www");
  const before = await readTree(tree);
  rmSync(tree, { recursive: true });
  await create(stage(), "Restore", "all", {
    source: { repository: "offsite", policy: "www" },
    target: { hostRef: "web-1", path: "/var/lib/holdfast/restore/all" },
  });
  const restore = await ended<Restore>(stage(), "restore", "all");
  expect(restore.status).toMatchObject({ phase: "Succeeded", reason: "Completed" });
  const after = await readTree(join(web1.root, "var/lib/holdfast/restore/all/srv/www"));
  expect(differences(before, after)).toEqual([]);
});

test("a Restore brings one folder of another host to this one", async () => {
  logsOnFailure(stage());
  await create(stage(), "Restore", "other", {
    source: { repository: "offsite", policy: "www", hostName: "web-2" },
    target: { hostRef: "web-1", path: "/var/lib/holdfast/restore/other" },
    pathMapping: [{ from: "/srv/www/customer-1", to: "/var/lib/holdfast/restore/other/one" }],
  });
  const restore = await ended<Restore>(stage(), "restore", "other");
  expect(restore.status).toMatchObject({ phase: "Succeeded" });
  const want = await readTree(join(web2.root, "srv/www/customer-1"));
  const got = await readTree(join(web1.root, "var/lib/holdfast/restore/other/one"));
  // The folder itself was made by the restore; what is in it comes from the snapshot.
  want.delete(".");
  got.delete(".");
  expect(differences(want, got)).toEqual([]);
});

test("a schedule fires without the operator, and its run appears once that is back", async () => {
  logsOnFailure(stage());
  mkdirSync(join(web2.root, "srv/pulse"), { recursive: true });
  writeFileSync(join(web2.root, "srv/pulse/beat"), "1");
  await create(stage(), "BackupPolicy", "pulse", {
    hosts: { names: ["web-2"] },
    repository: { name: "offsite" },
    files: { paths: ["/srv/pulse"] },
    schedule: "* * * * *",
  });
  await until("the agent has the policy", 30, async () => {
    return (await stage().get<BackupPolicy>("backuppolicy", "pulse")).status?.hosts?.applied === 1;
  });
  await stage().operator.stop("SIGKILL");
  const tag = `policy=${stage().namespace}/pulse`;
  const [id] = await until("a snapshot without an operator", 90, async () => {
    const ids = await stage().snapshots(tag);
    return ids.length > 0 && ids;
  });
  await stage().startOperator();
  const run = await until("the run of that slot", 60, async () => {
    const { items } = await stage().get<{ items: BackupRun[] }>("backupruns", "--field-selector=spec.policyRef=pulse");
    return items.find(({ status }) => status?.snapshots?.some((snapshot) => snapshot.id === id));
  });
  expect(run.spec).toMatchObject({ trigger: "Schedule", hostRef: "web-2" });
  expect(Date.parse(run.spec.scheduledTime ?? "") % 60_000).toBe(0);
  await stage().kubectl(["patch", "backuppolicy", "pulse", "--type=merge", '--patch={"spec":{"suspend":true}}']);
}, 180_000);
