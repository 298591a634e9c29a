import type { BackupRun } from "#crds/backuprun.ts";
import type { Restore } from "#crds/restore.ts";
import { type Life, livesOf, violation } from "./check-lives.ts";
import type { History, Violation } from "./history.ts";

/** Results are what really happened, and no fault but those of a run's own agent and restic may show in one. */
export function checkResults(history: History): Violation[] {
  const lives = livesOf(history.versions);
  const runs = new Set(lives.map(({ id }) => id));
  const strays = history.snapshots.flatMap(({ id, tags }) => {
    const run = runOf(tags);
    if (run !== undefined && runs.has(run)) return [];
    return [{ rule: "snapshot", subject: id, message: `belongs to ${run ?? "no run"}, which is not in the history` }];
  });
  return [...strays, ...lives.flatMap((life) => [...checkRestics(life, history), ...checkEnd(life, lives, history)])];
}

function runOf(tags: readonly string[]): string | undefined {
  return tags.find((tag) => tag.startsWith("run="))?.slice("run=".length);
}

/** At most one restic for each step of each attempt, and attempts counted as they were. */
function checkRestics(life: Life, { starts, faults }: History): Violation[] {
  const mine = starts.filter(({ id }) => id === life.id);
  const steps = Map.groupBy(mine, ({ attempt, step }) => `attempt ${attempt}, ${step}`);
  const found = [...steps]
    .filter(([, of]) => of.length > 1)
    .map(([step, of]) => violation("restic-twice", life, `${of.length} restics were started for ${step}`));
  const told = life.last.status?.attempts ?? 0;
  const last = Math.max(0, ...mine.map(({ attempt }) => attempt));
  const hits = hitsOf(life, faults);
  // Each hit costs one attempt at most; an agent that dies before its restic begins leaves one without a restic.
  if (told < last || told > 1 + hits)
    found.push(violation("attempts", life, `${told} are told after ${hits} hits, restic was started for ${last}`));
  return found;
}

function checkEnd(life: Life, lives: readonly Life[], history: History): Violation[] {
  return life.plural === "restores" ? checkRestore(life, history) : checkRun(life, lives, history);
}

function checkRun(life: Life, lives: readonly Life[], { snapshots, faults }: History): Violation[] {
  const { spec, status = {} } = life.last as BackupRun;
  const saved = snapshots.filter(({ tags }) => runOf(tags) === life.id);
  const made = saved.map(({ id }) => id);
  const told = status.snapshots?.map(({ id }) => id) ?? [];
  const found: Violation[] = [];
  const wrong = (message: string) => found.push(violation("result", life, message));
  const { phase, reason } = status;
  if (phase === "Succeeded") {
    if (made.length !== 1 || told.join() !== made.join())
      wrong(`Succeeded with snapshot ${told.join(", ") || "none"}, the repository has ${made.join(", ") || "none"}`);
    const [figures, real] = [toldFigures(status.snapshots), savedFigures(saved)];
    if (found.length === 0 && figures !== real)
      found.push(violation("figures", life, `files, bytes, bytes added are ${figures}, and in the repository ${real}`));
    return found;
  }
  if (made.length > 0) wrong(`${phase}, but the repository has ${made.join(", ")}`);
  const hits = hitsOf(life, faults);
  // Once is what an interrupted run is tried again.
  if (phase === "Failed" && reason === "Interrupted" && hits >= 2) return found;
  if (phase === "Skipped" && spec.trigger !== "Manual" && overlapped(life, lives)) return found;
  wrong(`${phase}, ${reason} after ${hits} hits: ${status.message}`);
  return found;
}

type Told = NonNullable<NonNullable<BackupRun["status"]>["snapshots"]>;

function toldFigures(snapshots: Told = []): string {
  return snapshots.map(({ totalFiles, totalBytes, dataAddedBytes }) => [totalFiles, totalBytes, dataAddedBytes]).join();
}

function savedFigures(snapshots: History["snapshots"]): string {
  return snapshots
    .map(({ summary }) => [summary.total_files_processed, summary.total_bytes_processed, summary.data_added])
    .join();
}

/** Another run of the same policy on the same host had not ended when the slot of this one came. */
function overlapped(life: Life, lives: readonly Life[]): boolean {
  const { spec } = life.last as BackupRun;
  const slot = Date.parse(spec.scheduledTime ?? "");
  return lives.some(({ id, last }) => {
    const other = last as BackupRun;
    if (id === life.id || other.spec.policyRef !== spec.policyRef || other.spec.hostRef !== spec.hostRef) return false;
    return other.status?.phase !== "Skipped" && Date.parse(other.status?.completionTime ?? "") >= slot;
  });
}

function checkRestore(life: Life, { restored, faults }: History): Violation[] {
  const { phase, reason, message } = (life.last as Restore).status ?? {};
  if (phase === "Succeeded") {
    const differences = restored.get(life.name) ?? ["nobody compared it"];
    return differences.map((difference) => violation("restored", life, difference));
  }
  // A restore is never tried again by itself, and its access to the repository dies with the agent.
  if (phase === "Failed" && reason === "Interrupted" && hitsOf(life, faults) >= 1) return [];
  return [violation("result", life, `${phase}, ${reason} after ${hitsOf(life, faults)} hits: ${message}`)];
}

function hitsOf({ id }: Life, faults: History["faults"]): number {
  return faults.filter(({ hit }) => hit.includes(id)).length;
}
