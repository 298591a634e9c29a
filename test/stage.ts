import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, inject, onTestFailed } from "vitest";
import type { BackupRun } from "#crds/backuprun.ts";
import type { Restore } from "#crds/restore.ts";
import { attach } from "../hack/cluster/cluster.ts";
import { kubectl } from "../hack/cluster/kubectl.ts";
import type { Machine } from "../hack/stage/machine.ts";
import { processesUsing } from "../hack/stage/process.ts";
import { Stage, type StageOptions } from "../hack/stage/stage.ts";
import { until } from "../hack/stage/until.ts";

/** The seconds a condition may take; a test that needs more says so. */
const PATIENCE = 60;

/** Call it at the top of a test file: Holdfast on real parts for its tests, taken down after them. */
export function testStage(options: Pick<StageOptions, "resticOfAgents"> = {}): () => Stage {
  let stage: Stage | undefined;
  beforeAll(async () => {
    const id = randomBytes(4).toString("hex");
    const cluster = attach(inject("clusterDirectory"));
    stage = await Stage.set({ ...options, cluster, namespace: `e2e-${id}`, system: `e2e-${id}-system` });
  });
  afterAll(async () => {
    if (stage === undefined) return;
    const { cluster, namespace } = stage;
    await stage.strike();
    await kubectl(cluster, ["delete", "namespace", namespace, `${namespace}-system`, "--wait=false"]);
    await kubectl(cluster, ["delete", "clusterrole,clusterrolebinding", `holdfast-operator-${namespace}-system`]);
  });
  return () => {
    if (stage === undefined) throw new Error("the stage is set by the first test's beforeAll");
    return stage;
  };
}

/** Prints the ends of the operator's and the agents' logs if this test fails. */
export function logsOnFailure(stage: Stage): void {
  onTestFailed(() => {
    for (const [file, end] of stage.logs(30)) console.error(`── ${file}\n${end}`);
  });
}

/** Makes a machine, enrols it with a token of its own and connects it. */
export async function enrolled(
  stage: Stage,
  name: string,
  environment?: Record<string, string>,
  command?: readonly string[],
): Promise<Machine> {
  await stage.apply(
    JSON.stringify({
      apiVersion: "holdfast.dev/v1alpha1",
      kind: "EnrollmentToken",
      metadata: { name },
      spec: { hostName: name, hostLabels: { role: "web" } },
    }),
  );
  const machine = stage.machine(name, environment, command);
  await machine.enrol(await stage.invitation(name));
  await stage.connect(machine);
  return machine;
}

/** Creates a resource of one of our kinds. */
export async function create(stage: Stage, kind: string, name: string, spec: object): Promise<void> {
  const manifest = { apiVersion: "holdfast.dev/v1alpha1", kind, metadata: { name }, spec };
  await stage.kubectl(["create", "--filename=-"], JSON.stringify(manifest));
}

/** Resolves with the condition `type` of `object` (as in "repository/offsite") when `fits` says it is the one. */
export function condition(
  stage: Stage,
  object: string,
  type: string,
  fits: (condition: { status: string; reason: string; message: string }) => boolean,
  seconds = PATIENCE,
): Promise<{ status: string; reason: string; message: string }> {
  let last = "none";
  return until(`condition ${type} of ${object}`, seconds, async () => {
    const { status } = await stage.get<{
      status?: { conditions?: { type: string; status: string; reason: string; message: string }[] };
    }>(...object.split("/"));
    const found = status?.conditions?.find((one) => one.type === type);
    last = JSON.stringify(found);
    return found !== undefined && fits(found) ? found : undefined;
  }).catch((error: unknown) => {
    throw new Error(`${type} of ${object} is ${last}`, { cause: error });
  });
}

/** Resolves with the policy's Ready condition when that is True. */
export async function ready(stage: Stage, ...objects: string[]): Promise<void> {
  for (const object of objects) await condition(stage, object, "Ready", ({ status }) => status === "True");
}

const ENDED = ["Succeeded", "PartiallyFailed", "Failed", "Cancelled", "Skipped"];

/** Resolves with a BackupRun or Restore when it has ended. */
export function ended<T extends BackupRun | Restore>(
  stage: Stage,
  kind: "backuprun" | "restore",
  name: string,
  seconds = PATIENCE,
): Promise<T> {
  return until(`${kind} ${name} ends`, seconds, async () => {
    const found = await stage.get<T>(kind, name);
    return ENDED.includes(found.status?.phase ?? "") ? found : undefined;
  });
}

/** A run of BackupPolicy www on `machine` that lasts about ten seconds; resolves when restic is seen working. */
export async function longRun(stage: Stage, machine: Machine, name: string): Promise<void> {
  writeFileSync(join(machine.root, "srv/www", `${name}.bin`), randomBytes(10 * 1024 * 1024));
  await create(stage, "BackupRun", name, {
    policyRef: "www",
    hostRef: machine.name,
    overrides: { limits: { uploadKiBps: 1024 } },
  });
  await until(`${name} is running`, 30, async () => {
    return (await stage.get<BackupRun>("backuprun", name)).status?.phase === "Running";
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

/** The run of this name ends well, at its first attempt and with one snapshot. */
export async function expectOneResult(stage: Stage, name: string): Promise<void> {
  const run = await ended<BackupRun>(stage, "backuprun", name, 90);
  expect(run.status).toMatchObject({ phase: "Succeeded", reason: "Completed", attempts: 1 });
  expect(await stage.snapshots(`run=${run.metadata.uid}`)).toEqual([run.status?.snapshots?.[0]?.id]);
}
