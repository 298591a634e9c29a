import type { BackupRunStatus } from "#crds/backuprun.ts";
import type { RestoreStatus } from "#crds/restore.ts";

type Status = Partial<BackupRunStatus & RestoreStatus>;

/**
 * What kubectl get shows of a one-shot beside its phase, in at most 24 characters: what it came to, how far it is, or the
 * reason. Empty where the phase says all.
 */
export function oneShotDisplay(status: Status): { display?: { result: string } } {
  const result = resultOf(status);
  return result === "" ? {} : { display: { result } };
}

function resultOf(status: Status): string {
  const { phase, reason = "" } = status;
  if (phase === "Succeeded") return done(status);
  if (phase === "Running" && reason === "Running") return howFar(status);
  return reason === phase ? "" : reason;
}

function done({ snapshots, restored, startTime, completionTime }: Status): string {
  const took = Date.parse(completionTime ?? "") - Date.parse(startTime ?? "");
  const bytes = restored?.bytes ?? snapshots?.reduce((sum, { dataAddedBytes = 0 }) => sum + dataAddedBytes, 0);
  const what = bytes === undefined ? "no snapshot" : sizeText(bytes);
  return Number.isNaN(took) ? what : `${what} in ${durationText(took)}`;
}

function howFar({ progress }: Status): string {
  if (progress?.percent === undefined) return "";
  const { percent, secondsRemaining } = progress;
  return secondsRemaining === undefined ? `${percent}%` : `${percent}%, ${durationText(secondsRemaining * 1000)} left`;
}

const UNITS = ["KiB", "MiB", "GiB", "TiB", "PiB"] as const;

/** Bytes in the binary unit that leaves at most four digits: "0 B", "1.5 MiB", "12 GiB". */
export function sizeText(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  let value = bytes / 1024;
  let unit = 0;
  // What would be shown as 1024 of one unit is 1 of the next.
  while (Math.round(value) >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number(value.toFixed(value < 10 ? 1 : 0))} ${UNITS[unit]}`;
}

/** Milliseconds as kubectl writes ages, in its two largest units at most: "0s", "90s", "12m", "3h20m", "2d4h". */
export function durationText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 120) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return two(hours, "h", minutes % 60, "m");
  return two(Math.floor(hours / 24), "d", hours % 24, "h");
}

function two(large: number, unit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large}${unit}` : `${large}${unit}${small}${smallUnit}`;
}
