import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import type { BackupRun } from "#crds/backuprun.ts";
import type { Machine } from "../../hack/stage/machine.ts";
import { processesUsing } from "../../hack/stage/process.ts";
import { until } from "../../hack/stage/until.ts";
import { create, ended, enrolled, logsOnFailure, ready, testStage } from "../stage.ts";

const stage = testStage();
let machine: Machine;

beforeAll(async () => {
  await stage().applyQuickstart();
  machine = await enrolled(stage(), "web-1");
  mkdirSync(join(machine.root, "srv/www"), { recursive: true });
  await ready(stage(), "repository/offsite", "backuppolicy/www");
});

/** A run that lasts about ten seconds, in the middle of which restic is seen working. */
async function longRun(name: string): Promise<void> {
  writeFileSync(join(machine.root, "srv/www", `${name}.bin`), randomBytes(10 * 1024 * 1024));
  await create(stage(), "BackupRun", name, {
    policyRef: "www",
    hostRef: "web-1",
    overrides: { limits: { uploadKiBps: 1024 } },
  });
  await until(`${name} is running`, 30, async () => {
    return (await stage().get<BackupRun>("backuprun", name)).status?.phase === "Running";
  });
  // The status is written before restic has begun.
  await until("restic works", 30, async () => processesUsing(machine.folder).some(isBackup));
}

function isBackup(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0")[1] === "backup";
  } catch {
    return false; // It has ended.
  }
}

async function expectOneResult(name: string): Promise<void> {
  const run = await ended<BackupRun>(stage(), "backuprun", name, 90);
  expect(run.status).toMatchObject({ phase: "Succeeded", reason: "Completed", attempts: 1 });
  expect(await stage().snapshots(`run=${run.metadata.uid}`)).toEqual([run.status?.snapshots?.[0]?.id]);
}

test("kill -9 of the operator in mid-run loses neither the backup nor its result", async () => {
  logsOnFailure(stage());
  await longRun("operator-killed");
  await stage().operator.stop("SIGKILL");
  await stage().startOperator();
  await expectOneResult("operator-killed");
}, 180_000);

test("kill -9 of the agent in mid-run loses neither the backup nor its result", async () => {
  logsOnFailure(stage());
  await longRun("agent-killed");
  await machine.agent.stop("SIGKILL");
  expect(processesUsing(machine.folder)).not.toEqual([]);
  machine.agent.start();
  await expectOneResult("agent-killed");
}, 180_000);

test("a run that ended while both were dead is reported as it ended", async () => {
  logsOnFailure(stage());
  await longRun("both-killed");
  await stage().operator.stop("SIGKILL");
  await machine.agent.stop("SIGKILL");
  await until("restic has ended by itself", 60, async () => processesUsing(machine.folder).length === 0);
  machine.agent.start();
  await stage().startOperator();
  await expectOneResult("both-killed");
}, 180_000);

test("cancel stops a running backup, and restic removes its lock", async () => {
  logsOnFailure(stage());
  await longRun("cancelled");
  await stage().kubectl(["patch", "backuprun", "cancelled", "--type=merge", '--patch={"spec":{"cancel":true}}']);
  const run = await ended<BackupRun>(stage(), "backuprun", "cancelled", 90);
  expect(run.status).toMatchObject({ phase: "Cancelled", reason: "Cancelled" });
  expect(await stage().snapshots(`run=${run.metadata.uid}`)).toEqual([]);
  expect(await stage().runRestic("list", "locks")).toBe("");
}, 180_000);
