import { durationText, sizeText } from "#base/units.ts";
import type { BackupRun, BackupRunStatus } from "#crds/backuprun.ts";
import type { Restore, RestoreStatus } from "#crds/restore.ts";
import { isTerminal } from "#protocol/outcome.ts";
import { line } from "#protocol/text.ts";

type Status = Partial<BackupRunStatus & RestoreStatus>;
type Spec = BackupRun["spec"] | Restore["spec"];

/** What kubectl get has room for beside a name of 30 characters. */
const WIDTH = 24;

/**
 * What kubectl get shows of a one-shot beside its phase, in at most 24 characters: what it came to, how far it is, the
 * reason, or the host it is on. Empty where the phase says all.
 */
export function oneShotDisplay(spec: Spec, status: Status): { display?: { result?: string; snapshot?: string } } {
  const result = resultOf(spec, status);
  const id = status.snapshotID ?? status.snapshots?.[0]?.id;
  if (result === "" && id === undefined) return {};
  return { display: { ...(result !== "" && { result }), ...(id !== undefined && { snapshot: id.slice(0, 8) }) } };
}

function resultOf(spec: Spec, status: Status): string {
  const { phase, reason = "" } = status;
  if (phase === "Succeeded") return done(spec, status);
  const known = phase === "Running" && reason === "Running" ? howFar(status) : reason === phase ? "" : reason;
  return known === "" && !isTerminal(phase) ? line(`on ${hostOf(spec)}`, WIDTH) : known;
}

function hostOf(spec: Spec): string {
  return "target" in spec ? spec.target.hostRef : spec.hostRef;
}

function isRehearsal(spec: Spec): boolean {
  return "target" in spec ? spec.dryRun === true : spec.overrides?.dryRun === true;
}

function done(spec: Spec, status: Status): string {
  const took = Date.parse(status.completionTime ?? "") - Date.parse(status.startTime ?? "");
  const what = outcome(isRehearsal(spec), status);
  const timed = Number.isNaN(took) ? what : `${what} in ${durationText(took)}`;
  return timed.length <= WIDTH ? timed : what;
}

function outcome(rehearsal: boolean, { snapshots, restored }: Status): string {
  if (restored !== undefined) {
    const { bytes = 0, filesSkipped = 0 } = restored;
    const size = rehearsal ? `dry run: ${sizeText(bytes)}` : sizeText(bytes);
    return filesSkipped === 0 ? size : `${size}, ${filesSkipped} kept`;
  }
  if (rehearsal) return "dry run";
  if (snapshots === undefined) return "no snapshot";
  if (snapshots.every(({ totalFiles }) => totalFiles === 0)) return "0 files";
  return sizeText(snapshots.reduce((sum, { dataAddedBytes = 0 }) => sum + dataAddedBytes, 0));
}

function howFar({ progress }: Status): string {
  if (progress?.percent === undefined) return "";
  const { percent, secondsRemaining } = progress;
  return secondsRemaining === undefined ? `${percent}%` : `${percent}%, ${durationText(secondsRemaining * 1000)} left`;
}
