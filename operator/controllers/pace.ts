/**
 * How often a summary is written: at once when it says something new, then at most every 10 s, and what is about to change
 * anyway (a run that has begun) only once it has stood for as long. So a short run costs each summary one write.
 */
export const SUMMARY_INTERVAL_MS = 10_000;
/** Runs and hosts report by the thousand; one look at all of them answers for all that came meanwhile. */
export const GATHER_MS = 1000;

/** `transient`: only what soon says something else differs. */
export type Difference = "none" | "transient" | "lasting";

/** Times in monotonic milliseconds. */
export interface Pace {
  /** When the summary was last written. */
  readonly writtenAt?: number;
  /** Since when a transient difference has been waiting. */
  readonly waitingSince?: number;
}

export type Turn = { readonly write: true } | { readonly write: false; readonly afterMs?: number };

export function turn(pace: Pace, difference: Difference, now: number): [Turn, Pace] {
  if (difference === "none") {
    return [{ write: false }, pace.writtenAt === undefined ? {} : { writtenAt: pace.writtenAt }];
  }
  const waitingSince = pace.waitingSince ?? now;
  const allowed = pace.writtenAt === undefined ? now : pace.writtenAt + SUMMARY_INTERVAL_MS;
  const due = difference === "lasting" ? allowed : Math.max(allowed, waitingSince + SUMMARY_INTERVAL_MS);
  if (due <= now) return [{ write: true }, { writtenAt: now }];
  return [
    { write: false, afterMs: due - now },
    { ...pace, waitingSince },
  ];
}
