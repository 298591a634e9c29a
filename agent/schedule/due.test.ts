import { describe, expect, test } from "vitest";
import { type Decision, decide, type Missed, remembered, type Schedule } from "./due.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** 2026-03-10T02:00Z, and a day before and after it: a daily schedule. */
const SLOT = Date.UTC(2026, 2, 10, 2);
const daily = (change: Partial<Schedule> = {}): Schedule => ({
  previous: SLOT,
  next: SLOT + DAY,
  jitterMs: 0,
  spread: 0.5,
  created: SLOT - 30 * DAY,
  ...change,
});
const memory = (change: { since?: number; lastSlot?: number } = {}) => ({
  fingerprint: "f",
  since: SLOT - 10 * DAY,
  lastSlot: SLOT - DAY,
  ...change,
});

type Case = [string, Schedule, ReturnType<typeof memory>, Missed | undefined, number, Decision];
const cases: Case[] = [
  [
    "a slot starts at its time",
    daily(),
    memory(),
    undefined,
    SLOT,
    { action: "start", slot: SLOT, trigger: "Schedule" },
  ],
  [
    "a slot starts once",
    daily(),
    memory({ lastSlot: SLOT }),
    undefined,
    SLOT + 1,
    { action: "wait", wake: SLOT + DAY },
  ],
  [
    "a slot waits for the host's jitter",
    daily({ jitterMs: 5 * MINUTE }),
    memory(),
    undefined,
    SLOT + MINUTE,
    { action: "wait", wake: SLOT + 5 * MINUTE },
  ],
  [
    "a slot starts after the host's jitter, on time",
    daily({ jitterMs: 5 * MINUTE }),
    memory(),
    undefined,
    SLOT + 5 * MINUTE,
    { action: "start", slot: SLOT, trigger: "Schedule" },
  ],
  [
    "the next look counts the jitter too",
    daily({ jitterMs: 5 * MINUTE }),
    memory({ lastSlot: SLOT }),
    undefined,
    SLOT + HOUR,
    { action: "wait", wake: SLOT + DAY + 5 * MINUTE },
  ],
  [
    "a look that comes a minute late is on time",
    daily(),
    memory(),
    undefined,
    SLOT + MINUTE,
    { action: "start", slot: SLOT, trigger: "Schedule" },
  ],
  [
    "a slot missed in a downtime is caught up after its spread",
    daily(),
    memory(),
    undefined,
    SLOT + 3 * HOUR,
    { action: "wait", wake: SLOT + 3 * HOUR + 15 * MINUTE, missed: { slot: SLOT, seen: SLOT + 3 * HOUR } },
  ],
  [
    "the spread is over: the missed slot starts as a catch-up",
    daily(),
    memory(),
    { slot: SLOT, seen: SLOT + 3 * HOUR },
    SLOT + 3 * HOUR + 15 * MINUTE,
    { action: "start", slot: SLOT, trigger: "CatchUp" },
  ],
  [
    "the spread of an hourly schedule is a tenth of the hour",
    daily({ next: SLOT + HOUR, spread: 0.999 }),
    memory(),
    { slot: SLOT, seen: SLOT + 30 * MINUTE },
    SLOT + 36 * MINUTE,
    { action: "start", slot: SLOT, trigger: "CatchUp" },
  ],
  [
    "the spread of an earlier missed slot does not count for a newer one",
    daily(),
    memory(),
    { slot: SLOT - DAY, seen: SLOT - HOUR },
    SLOT + 3 * HOUR,
    { action: "wait", wake: SLOT + 3 * HOUR + 15 * MINUTE, missed: { slot: SLOT, seen: SLOT + 3 * HOUR } },
  ],
  [
    "after days of downtime only the newest slot is caught up",
    daily(),
    memory({ lastSlot: SLOT - 9 * DAY }),
    { slot: SLOT, seen: SLOT + HOUR },
    SLOT + 2 * HOUR,
    { action: "start", slot: SLOT, trigger: "CatchUp" },
  ],
  [
    "a missed slot past its startingDeadline is forgotten",
    daily({ startingDeadlineMs: HOUR }),
    memory(),
    undefined,
    SLOT + HOUR + 1,
    { action: "forget", slot: SLOT },
  ],
  [
    "a spread never goes past the startingDeadline",
    daily({ startingDeadlineMs: HOUR, spread: 0.99 }),
    memory(),
    { slot: SLOT, seen: SLOT + 50 * MINUTE },
    SLOT + HOUR,
    { action: "start", slot: SLOT, trigger: "CatchUp" },
  ],
  [
    "a slot before the policy was created is never run",
    daily({ created: SLOT + HOUR }),
    memory({ since: 0 }),
    undefined,
    SLOT + 2 * HOUR,
    { action: "wait", wake: SLOT + DAY },
  ],
  [
    "a slot before the schedule was learned, changed or resumed is never run",
    daily(),
    memory({ since: SLOT + HOUR }),
    undefined,
    SLOT + 2 * HOUR,
    { action: "wait", wake: SLOT + DAY },
  ],
  [
    "an operator whose clock is ahead does not hold back a schedule",
    daily({ created: SLOT + 300 * DAY }),
    memory(),
    undefined,
    SLOT + MINUTE,
    { action: "start", slot: SLOT, trigger: "Schedule" },
  ],
  [
    "the last slot of a schedule that ends is caught up without a deadline",
    daily({ next: undefined }),
    memory(),
    { slot: SLOT, seen: SLOT + DAY },
    SLOT + 40 * DAY,
    { action: "start", slot: SLOT, trigger: "CatchUp" },
  ],
  [
    "a schedule without slots waits for nothing",
    daily({ previous: undefined, next: undefined }),
    memory(),
    undefined,
    SLOT,
    { action: "wait", wake: undefined },
  ],
];

describe("decide", () => {
  test.each(cases)("%s", (_, schedule, remember, missed, now, want) => {
    expect(decide(schedule, remember, missed, now)).toEqual(want);
  });
});

describe("what is remembered of a schedule", () => {
  test("a schedule seen for the first time begins now", () => {
    expect(remembered(undefined, "f", SLOT)).toEqual({ fingerprint: "f", since: SLOT });
  });
  test("a changed or resumed schedule begins anew", () => {
    expect(remembered(memory(), "g", SLOT)).toEqual({ fingerprint: "g", since: SLOT });
  });
  test("an unchanged one goes on", () => {
    expect(remembered(memory(), "f", SLOT)).toEqual(memory());
  });
  test("marks from a clock that was a year ahead do not silence the policy for a year", () => {
    expect(remembered(memory({ since: SLOT + 365 * DAY, lastSlot: SLOT + 365 * DAY }), "f", SLOT)).toEqual({
      fingerprint: "f",
      since: SLOT,
      lastSlot: SLOT,
    });
  });
});
