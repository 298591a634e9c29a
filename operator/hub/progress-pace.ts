import type { LastWrite } from "./last-writes.ts";

/** Progress costs the API server at most this much: one write in 30 s a run, besides changes of phase and reason. */
const PROGRESS_INTERVAL_MS = 30_000;
/** The first figures come earlier, but a run of under 10 s is not worth a write for them. */
const FIRST_FIGURES_MS = 10_000;
/** The Running record of a manual run comes right before or after its first progress, and is the same write. */
const RECORD_COMES_MS = 1_000;

export interface Report {
  readonly phase: string;
  readonly reason: string;
  readonly progress?: object | undefined;
}

/**
 * Pure: in how many ms a report should be written (0: now), by then the newest one. `standing` is what the cache shows,
 * `last` what this replica wrote last, `waited` since when this report, or an older one, waits; all times monotonic ms.
 */
export function writeIn(
  report: Report,
  standing: Partial<Report> | undefined,
  last: LastWrite | undefined,
  since: number,
  now: number,
): number {
  // Written by the leader since, while the host was out of reach; the cache may show it a moment longer than it stands.
  const givenUp = standing?.phase === "Unknown" && last !== undefined && now - last.at > RECORD_COMES_MS;
  const known = givenUp ? standing : (last ?? standing);
  if (known?.phase !== report.phase) return Math.max(0, since + RECORD_COMES_MS - now);
  if (known.reason !== report.reason) return 0;
  // Not written by this replica: the agent has come here from another one, or this one was restarted.
  if (last === undefined) return 0;
  return Math.max(0, last.at + (standing?.progress === undefined ? FIRST_FIGURES_MS : PROGRESS_INTERVAL_MS) - now);
}
