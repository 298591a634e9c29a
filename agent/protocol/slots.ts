import { CronExpressionParser } from "cron-parser";
import { sha256 } from "./canonical.ts";

/**
 * When a policy fires on a host, computed alike by operator and agent. cron-parser reads the expression and walks the
 * calendar, but always in UTC: its own walk through daylight saving time loses slots (Lord Howe's half hour ends in its
 * loop limit, the autumn's repeated hour differs by direction). Here a slot is a time on the wall clock, and this file
 * maps it to the instant.
 */
export interface Slots {
  cron: string;
  /** IANA name. */
  timeZone: string;
}

/** What `H` and the jitter are made from: stable for one policy on one host, spread over all others. */
export interface Seed {
  policyUID: string;
  hostUID: string;
}

const MACROS: { readonly [name: string]: string } = {
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@hourly": "0 * * * *",
};
const FORM = `five fields "minute hour day-of-month month day-of-week", as in "30 2 * * *" or, with a capital H for any minute, "H 2 * * *", or one of ${Object.keys(MACROS).join(", ")}`;
const FIELDS = ["minute", "hour", "day of month", "month", "day of week"];

const HOUR_MS = 3_600_000;
/** Any Monday: where the search for one first slot begins, so that the answer does not depend on today. */
const SOME_MONDAY_MS = Date.UTC(2024, 0, 1);

/** Undefined where the schedule can be kept; else what is wrong and what to write. */
export function validate(cron: string, timeZone: string): string | undefined {
  const key = JSON.stringify([cron, timeZone]);
  if (!problems.has(key)) remember(problems, key, cronProblem(cron) ?? timeZoneProblem(timeZone));
  return problems.get(key);
}

/** Reading an expression takes a millisecond, and the operator asks for each host that a policy selects. */
const problems = new Map<string, string | undefined>();

function cronProblem(cron: string): string | undefined {
  const text = cron.trim();
  if (text === "") return `schedule is empty: write ${FORM}; leave the field out for a policy without a schedule`;
  if (/^(CRON_)?TZ=/.test(text)) return "schedule names a time zone: write the time zone into timeZone instead";
  if (text.startsWith("@")) {
    return Object.hasOwn(MACROS, text) ? undefined : `schedule ${quoted(text)} is not known: write ${FORM}`;
  }
  const fields = text.split(/\s+/);
  if (fields.length !== 5) {
    const cure = fields.length === 6 ? "; take the seconds (the first field) out" : "";
    return `schedule ${quoted(text)} has ${fields.length} field${fields.length === 1 ? "" : "s"} instead of 5${cure}: write ${FORM}`;
  }
  for (const [index, field] of fields.entries()) {
    const alone = ["*", "*", "*", "*", "*"].with(index, field);
    try {
      CronExpressionParser.parse(fiveFields(alone.join(" ")), { tz: "UTC", hashSeed: "0", strict: false });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return `schedule ${quoted(text)}: the ${FIELDS[index]} field ${quoted(field)} cannot be used (${why.toLowerCase()}): write ${FORM}`;
    }
  }
  if (nextWall({ cron: text, timeZone: "UTC" }, { policyUID: "", hostUID: "" }, SOME_MONDAY_MS) === undefined) {
    return `schedule ${quoted(text)} never happens, there is no such date: correct the day of month or the month`;
  }
  return undefined;
}

function timeZoneProblem(timeZone: string): string | undefined {
  const cure = 'write an IANA name such as "Europe/Berlin" or "UTC"';
  if (timeZone === "") return `timeZone is empty: ${cure}, or leave it out`;
  // Intl also takes offsets, which know no daylight saving time and are no names.
  if (/^[+-]/.test(timeZone) || wallClock(timeZone) === undefined) {
    return `timeZone ${quoted(timeZone)} is not known: ${cure}`;
  }
  return undefined;
}

const quoted = (text: string) => JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}…` : text);

/** The first slot later than `afterMs`; undefined where there is none (an impossible date, an invalid schedule). */
export function nextSlot(slots: Slots, seed: Seed, afterMs: number): number | undefined {
  const wall = wallClock(slots.timeZone);
  if (wall === undefined) return undefined;
  if (everyHour(slots.cron)) return nextInterval(slots, seed, afterMs, wall);
  // In the second pass of an autumn's hour the wall shows times whose slots have been: they are passed over one by one.
  for (let at = nextWall(slots, seed, wall(afterMs)); at !== undefined; at = nextWall(slots, seed, at)) {
    const slot = firstInstant(at, wall);
    if (slot > afterMs) return slot;
  }
  return undefined;
}

/** The last slot not later than `atMs`; undefined where there is none. */
export function previousSlot(slots: Slots, seed: Seed, atMs: number): number | undefined {
  const wall = wallClock(slots.timeZone);
  if (wall === undefined) return undefined;
  if (everyHour(slots.cron)) return previousInterval(slots, seed, atMs, wall);
  // In the second pass of a repeated hour, slots later on the wall than now have been too; no fold is longer than 3 h.
  const start = wall(atMs) + 3 * HOUR_MS + 1;
  for (let at = previousWall(slots, seed, start); at !== undefined; at = previousWall(slots, seed, at)) {
    const slot = firstInstant(at, wall);
    if (slot <= atMs) return slot;
  }
  return undefined;
}

/** A stable delay in [0, maxMs) by which this host starts after each slot of this policy. */
export function jitterMs(seed: Seed, maxMs: number): number {
  if (maxMs <= 0) return 0;
  return Math.floor(
    (Number.parseInt(sha256(`jitter/${seed.policyUID}/${seed.hostUID}`).slice(0, 12), 16) / 2 ** 48) * maxMs,
  );
}

/**
 * A schedule for every hour of the day is an interval: it goes on through the repeated hour of autumn and skips what
 * spring leaves out. Any other names times of the day, each of which happens once a day.
 */
function everyHour(cron: string): boolean {
  const [, hour] = fiveFields(cron).split(" ");
  return hour === "*" || hour === "*/1" || hour === "0-23";
}

/** The shift between UTC and the wall is constant but for jumps; from each, the walk begins anew. */
function nextInterval(slots: Slots, seed: Seed, afterMs: number, wall: Wall): number | undefined {
  let from = afterMs;
  for (let jumps = 0; jumps < 8; jumps++) {
    const shift = wall(from) - from;
    const at = nextWall(slots, seed, from + shift);
    if (at === undefined) return undefined;
    const slot = at - shift;
    if (wall(slot) - slot === shift) return slot;
    // The instant before the jump still has the old shift, so that a slot at the jump itself counts as later.
    from = boundary(from, slot, (instant) => wall(instant) - instant !== shift) - 1;
    const after = from + 1;
    const first = nextWall(slots, seed, wall(after) - 1);
    if (first !== undefined && first === wall(after)) return after;
    from = after;
  }
  return undefined;
}

function previousInterval(slots: Slots, seed: Seed, atMs: number, wall: Wall): number | undefined {
  let from = atMs;
  for (let jumps = 0; jumps < 8; jumps++) {
    const shift = wall(from) - from;
    const at = previousWall(slots, seed, from + shift + 1);
    if (at === undefined) return undefined;
    const slot = at - shift;
    if (wall(slot) - slot === shift) return slot;
    from = boundary(slot, from, (instant) => wall(instant) - instant === shift) - 1;
  }
  return undefined;
}

/** The first instant at which the wall shows `at` or, where spring left it out, more. */
function firstInstant(at: number, wall: Wall): number {
  const before = at - (wall(at - 24 * HOUR_MS) - (at - 24 * HOUR_MS));
  const after = at - (wall(at + 24 * HOUR_MS) - (at + 24 * HOUR_MS));
  const early = Math.min(before, after);
  const late = Math.max(before, after);
  if (wall(early) === at) return early;
  if (wall(late) === at) return late;
  return boundary(early, late, (instant) => wall(instant) >= at);
}

/** The first millisecond in (low, high] for which `holds`, which is false at `low` and stays true once it is. */
function boundary(low: number, high: number, holds: (instant: number) => boolean): number {
  let [below, above] = [low, high];
  while (above - below > 1) {
    const middle = Math.floor((below + above) / 2);
    if (holds(middle)) above = middle;
    else below = middle;
  }
  return above;
}

/** Five fields with `H` in the day of month bound to days every month has; cron-parser's own would choose up to 31. */
function fiveFields(cron: string): string {
  const text = cron.trim();
  const fields = (MACROS[text] ?? text).split(/\s+/);
  if (fields[2] === "H") fields[2] = "H(1-28)";
  return fields.join(" ");
}

/** The calendar of the wall clock, counted as if it were UTC. */
function calendar(slots: Slots, seed: Seed, at: number) {
  return CronExpressionParser.parse(fiveFields(slots.cron), {
    tz: "UTC",
    currentDate: new Date(at),
    hashSeed: sha256(`slots/${seed.policyUID}/${seed.hostUID}`),
  });
}

function nextWall(slots: Slots, seed: Seed, after: number): number | undefined {
  try {
    return calendar(slots, seed, after).next().getTime();
  } catch {
    // Invalid, or cron-parser's loop limit: a date that does not exist.
    return undefined;
  }
}

function previousWall(slots: Slots, seed: Seed, before: number): number | undefined {
  try {
    return calendar(slots, seed, before).prev().getTime();
  } catch {
    return undefined;
  }
}

/** What the wall clock shows at an instant, as milliseconds since 1970 of that date and time in UTC. */
type Wall = (instant: number) => number;

const walls = new Map<string, Wall>();

function wallClock(timeZone: string): Wall | undefined {
  const known = walls.get(timeZone);
  if (known !== undefined) return known;
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat("en-US", {
      timeZone,
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
  } catch {
    return undefined;
  }
  const wall: Wall = (instant) => {
    const part = { year: 0, month: 1, day: 1, hour: 0, minute: 0, second: 0 };
    for (const { type, value } of format.formatToParts(instant)) {
      if (type in part) part[type as keyof typeof part] = Number(value);
    }
    const milliseconds = ((instant % 1000) + 1000) % 1000;
    return Date.UTC(part.year, part.month - 1, part.day, part.hour, part.minute, part.second, milliseconds);
  };
  remember(walls, timeZone, wall);
  return wall;
}

/** Bounded, because the keys come from outside. */
function remember<T>(known: Map<string, T>, key: string, value: T): void {
  if (known.size >= 600) known.clear();
  known.set(key, value);
}
