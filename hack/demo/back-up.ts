import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse, stringify } from "yaml";
import { HoldfastError } from "#base/errors.ts";
import type { BackupRun } from "#crds/backuprun.ts";
import type { Stage } from "../stage/stage.ts";
import { until } from "../stage/until.ts";
import { chapter, say, show } from "./narrator.ts";

const quickstart = fileURLToPath(new URL("../../examples/quickstart", import.meta.url));
const ENDED = ["Succeeded", "PartiallyFailed", "Failed", "Cancelled", "Skipped"];

/** A manifest of examples/quickstart, changed by `change`, as YAML. */
export function manifest<T>(file: string, change: (object: T) => void): string {
  const object = parse(readFileSync(join(quickstart, file), "utf8")) as T;
  change(object);
  return stringify(object);
}

/** A BackupRun as a user writes it. */
interface NewRun {
  metadata: { generateName: string };
  spec: BackupRun["spec"];
}

/** Creates the quickstart's BackupRun, changed by `change`, and returns its name. */
export async function createRun(stage: Stage, change: (run: NewRun) => void): Promise<string> {
  const created = await stage.kubectl(
    ["create", "--filename=-", "--output=name"],
    manifest<NewRun>("backuprun.yaml", change),
  );
  return created.trim().replace(/^.*\//, "");
}

/** Resolves with the run when it has ended; throws where that was not a success. Says what is new of it meanwhile. */
export async function succeeded(stage: Stage, name: string, seconds: number): Promise<BackupRun> {
  let said = "";
  const run = await until(`BackupRun ${name} ends`, seconds, async () => {
    const found = await stage.get<BackupRun>("backuprun", name);
    const { phase, progress } = found.status ?? {};
    const now = `${phase}${phase === "Running" && progress?.percent !== undefined ? ` ${progress.percent} %` : ""}`;
    if (now !== said)
      say(`${name}: ${now}${phase === "Running" && progress?.currentFile ? `  ${progress.currentFile}` : ""}`);
    said = now;
    return ENDED.includes(phase ?? "") ? found : undefined;
  });
  if (run.status?.phase !== "Succeeded")
    throw new HoldfastError("demo/run", `BackupRun ${name} is ${run.status?.phase}: ${run.status?.message}`);
  return run;
}

/** Runs the policy on both machines and waits for the results. */
export async function backUp(stage: Stage): Promise<string> {
  chapter("A backup now, on both machines");
  const names = await Promise.all(
    stage.machines.map((machine) =>
      createRun(stage, (run) => {
        run.metadata.generateName = `www-${machine.name}-`;
        run.spec.hostRef = machine.name;
      }),
    ),
  );
  const runs = await Promise.all(names.map((name) => succeeded(stage, name, 120)));
  show("kubectl get backupruns", await stage.kubectl(["get", "backupruns"]));
  const files = runs.reduce((sum, run) => sum + (run.status?.snapshots?.[0]?.totalFiles ?? 0), 0);
  return `${files} files of two hosts backed up`;
}
