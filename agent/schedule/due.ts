import type { ScheduleMemory } from "../state/schedules.ts";

/** One policy's schedule as `decide` sees it. Times are milliseconds since 1970, durations milliseconds. */
export interface Schedule {
  /** The newest slot not later than now, and the first one after now. */
  previous: number | undefined;
  next: number | undefined;
  /** This host's stable delay after each slot. */
  jitterMs: number;
  /** In [0, 1): this host's stable place in the time over which caught-up runs are spread. */
  spread: number;
  /** How late a missed slot may still be caught up; absent: the interval of the schedule. */
  startingDeadlineMs?: number;
  /** When the policy was created, by the operator's clock. */
  created: number;
}

/** A missed slot and when this process first saw it: the spread is counted from there. */
export interface Missed {
  slot: number;
  seen: number;
}

export type Decision =
  | { action: "start"; slot: number; trigger: "Schedule" | "CatchUp" }
  /** The slot was missed and is past its deadline: it is never run. */
  | { action: "forget"; slot: number }
  /** Nothing now; look again at `wake` at the latest. */
  | { action: "wait"; wake: number | undefined; missed?: Missed };

/** A start this late is still on time: it covers the longest pause between two looks, and a slow disk. */
const ON_TIME_MS = 90_000;
/** Caught-up runs are spread over the smaller of this share of the interval and this time (design: protocol.md). */
const SPREAD_SHARE = 0.1;
const SPREAD_MS = 30 * 60_000;

/**
 * What to do for one policy now. Only the newest slot counts, so that at most one run is caught up, whatever the
 * downtime. A slot before the policy's creation or before `memory.since` was never this host's to run.
 */
export function decide(schedule: Schedule, memory: ScheduleMemory, missed: Missed | undefined, now: number): Decision {
  const { previous, next, jitterMs } = schedule;
  const upcoming = next === undefined ? undefined : next + jitterMs;
  // An operator's clock that is ahead of this host's must not hold a schedule back.
  const floor = Math.max(memory.since, schedule.created <= now ? schedule.created : 0);
  if (previous === undefined || previous <= floor || previous <= (memory.lastSlot ?? 0)) {
    return { action: "wait", wake: upcoming };
  }

  const start = previous + jitterMs;
  if (now < start) return { action: "wait", wake: start };
  if (now - start <= ON_TIME_MS) return { action: "start", slot: previous, trigger: "Schedule" };

  const interval = next === undefined ? Number.POSITIVE_INFINITY : next - previous;
  const deadline = previous + (schedule.startingDeadlineMs ?? interval);
  if (now > deadline) return { action: "forget", slot: previous };
  const seen = missed?.slot === previous ? Math.min(missed.seen, now) : now;
  const delay = Math.floor(schedule.spread * Math.min(interval * SPREAD_SHARE, SPREAD_MS));
  const catchUp = Math.min(seen + delay, deadline);
  if (now >= catchUp) return { action: "start", slot: previous, trigger: "CatchUp" };
  return { action: "wait", wake: catchUp, missed: { slot: previous, seen } };
}

/**
 * The memory of a schedule as of `now`. A new fingerprint begins it anew. Marks that lie in the future come from a clock
 * that has been set back since: they would silence the policy until then, so they are moved to now. A slot that then
 * comes a second time has the same run id, and the journal knows it.
 */
export function remembered(memory: ScheduleMemory | undefined, fingerprint: string, now: number): ScheduleMemory {
  if (memory?.fingerprint !== fingerprint) return { fingerprint, since: now };
  const { lastSlot } = memory;
  return {
    fingerprint,
    since: Math.min(memory.since, now),
    ...(lastSlot === undefined ? {} : { lastSlot: Math.min(lastSlot, now) }),
  };
}
