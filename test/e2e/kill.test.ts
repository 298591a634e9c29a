import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import type { BackupRun } from "#crds/backuprun.ts";
import type { Machine } from "../../hack/stage/machine.ts";
import { processesUsing } from "../../hack/stage/process.ts";
import { until } from "../../hack/stage/until.ts";
import { ended, enrolled, expectOneResult, logsOnFailure, longRun, ready, testStage } from "../stage.ts";

const stage = testStage();
let machine: Machine;

beforeAll(async () => {
  await stage().applyQuickstart();
  machine = await enrolled(stage(), "web-1");
  mkdirSync(join(machine.root, "srv/www"), { recursive: true });
  await ready(stage(), "repository/offsite", "backuppolicy/www");
});

test("kill -9 of the operator in mid-run loses neither the backup nor its result", async () => {
  logsOnFailure(stage());
  await longRun(stage(), machine, "operator-killed");
  await stage().operator.stop("SIGKILL");
  await stage().startOperator();
  await expectOneResult(stage(), "operator-killed");
}, 180_000);

test("kill -9 of the agent in mid-run loses neither the backup nor its result", async () => {
  logsOnFailure(stage());
  await longRun(stage(), machine, "agent-killed");
  await machine.agent.stop("SIGKILL");
  expect(processesUsing(machine.folder)).not.toEqual([]);
  machine.agent.start();
  await expectOneResult(stage(), "agent-killed");
}, 180_000);

test("a run that ended while both were dead is reported as it ended", async () => {
  logsOnFailure(stage());
  await longRun(stage(), machine, "both-killed");
  await stage().operator.stop("SIGKILL");
  await machine.agent.stop("SIGKILL");
  await until("restic has ended by itself", 60, async () => processesUsing(machine.folder).length === 0);
  machine.agent.start();
  await stage().startOperator();
  await expectOneResult(stage(), "both-killed");
}, 180_000);

test("cancel stops a running backup, and restic removes its lock", async () => {
  logsOnFailure(stage());
  await longRun(stage(), machine, "cancelled");
  await stage().kubectl(["patch", "backuprun", "cancelled", "--type=merge", '--patch={"spec":{"cancel":true}}']);
  const run = await ended<BackupRun>(stage(), "backuprun", "cancelled", 90);
  expect(run.status).toMatchObject({ phase: "Cancelled", reason: "Cancelled" });
  expect(await stage().snapshots(`run=${run.metadata.uid}`)).toEqual([]);
  expect(await stage().runRestic("list", "locks")).toBe("");
}, 180_000);
