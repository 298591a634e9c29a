import {
  nextSlot as next,
  previousSlot as previous,
  validate as problem,
  type Seed,
} from "../../../agent/protocol/slots.ts";

/**
 * Stands in for agent/protocol/slots.ts, which does the arithmetic: the answers hold from one slot to the next and are
 * remembered as long, because all histories begin at the same time of day and ask the same again and again.
 */
export * from "../../../agent/protocol/slots.ts";

interface Interval {
  readonly previous: number | undefined;
  readonly next: number | undefined;
}
type Schedule = Parameters<typeof next>[0];

const known = new Map<string, Interval[]>();

function around(schedule: Schedule, seed: Seed, now: number): Interval {
  // Where the slots lie follows from the seed for H alone.
  const seeded = schedule.cron.includes("H") ? `${seed.policyUID}\n${seed.hostUID}` : "";
  const key = `${schedule.cron}\n${schedule.timeZone}\n${seeded}`;
  const intervals = known.get(key) ?? [];
  known.set(key, intervals);
  const found = intervals.find((each) => now >= (each.previous ?? 0) && now < (each.next ?? Number.POSITIVE_INFINITY));
  if (found !== undefined) return found;
  const interval = { previous: previous(schedule, seed, now), next: next(schedule, seed, now) };
  intervals.push(interval);
  return interval;
}

export function nextSlot(schedule: Schedule, seed: Seed, now: number): number | undefined {
  return around(schedule, seed, now).next;
}

export function previousSlot(schedule: Schedule, seed: Seed, now: number): number | undefined {
  return around(schedule, seed, now).previous;
}

const problems = new Map<string, string | undefined>();

export function validate(cron: string, timeZone: string): string | undefined {
  const key = `${cron}\n${timeZone}`;
  if (!problems.has(key)) problems.set(key, problem(cron, timeZone));
  return problems.get(key);
}
