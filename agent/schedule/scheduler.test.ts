import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { ManualClock } from "#base/manual-clock.ts";
import type { PolicyPlan } from "#protocol/config.ts";
import { nextSlot } from "#protocol/slots.ts";
import type { HeldConfig } from "../state/held-config.ts";
import { openSchedules } from "../state/schedules.ts";
import { migrate } from "../state/schema.ts";
import { startScheduler } from "./scheduler.ts";

// Weeks of schedules on a clock by hand and a real database. What one look decides: due.test.ts.

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const START = Date.UTC(2026, 2, 2, 12, 30);

type Schedule = NonNullable<PolicyPlan["schedule"]>;

/** An agent's scheduler; `fired` are the runs, each slot once because a run's id is made from it. */
function agent(cron: string, more: Partial<Schedule> = {}) {
  const clock = new ManualClock(START);
  const database = new DatabaseSync(":memory:");
  migrate(database);
  const fired: string[] = [];
  const ids = new Set<number>();
  let schedule: Schedule = { cron, timeZone: "Europe/Berlin", jitterMs: 0, suspend: false, ...more };
  let paused = false;
  const held = () => {
    const policy = { uid: "p", name: "p", createdTime: new Date(START - 90 * DAY).toISOString(), schedule };
    return { host: { uid: "h", paused }, policies: [policy] } as unknown as HeldConfig;
  };
  const begin = () => {
    const scheduler = startScheduler({
      clock,
      log: { debug() {}, info() {}, warn() {}, error() {} },
      config: held,
      store: openSchedules(database),
      transaction: (work) => work(),
      start({ slot, trigger }) {
        if (ids.has(slot)) return;
        ids.add(slot);
        fired.push(`${new Date(slot).toISOString().slice(5, 16)}${trigger === "Schedule" ? "" : ` ${trigger}`}`);
      },
    });
    scheduler.refresh();
    return scheduler;
  };
  let scheduler = begin();
  return {
    clock,
    fired,
    change(next: Partial<Schedule> & { paused?: boolean }) {
      const { paused: pause = paused, ...rest } = next;
      paused = pause;
      schedule = { ...schedule, ...rest };
      scheduler.refresh();
    },
    /** The process ends, and another begins after a while. */
    async away(ms: number) {
      scheduler.stop();
      await clock.advance(ms);
      scheduler = begin();
    },
  };
}

/** All slots in [from, to). */
function slots(cron: string, from: number, to: number): string[] {
  const found = [];
  const schedule = { cron, timeZone: "Europe/Berlin" };
  for (let at = nextSlot(schedule, { policyUID: "p", hostUID: "h" }, from); at !== undefined && at < to; ) {
    found.push(new Date(at).toISOString().slice(5, 16));
    at = nextSlot(schedule, { policyUID: "p", hostUID: "h" }, at);
  }
  return found;
}

test("five weeks without an operator, spring's jump among them: each slot once, at its time", async () => {
  const { clock, fired } = agent("0 2 * * *");
  await clock.advance(35 * DAY);
  expect(fired).toEqual(slots("0 2 * * *", START, START + 35 * DAY));
  expect(fired).toHaveLength(35);
});

test.each([
  ["back by an hour", -HOUR],
  ["forward by an hour", HOUR],
  ["back by a month", -30 * DAY],
  ["forward by a month", 30 * DAY],
])("a clock set %s costs no slot but those it leaps over, and repeats none", async (_, jump) => {
  const { clock, fired } = agent("0 * * * *");
  await clock.advance(10 * HOUR);
  clock.jump(jump);
  const after = clock.now();
  await clock.advance(10 * HOUR);
  const before = slots("0 * * * *", START, START + 10 * HOUR);
  const later = slots("0 * * * *", after, after + 10 * HOUR);
  const names = fired.map((run) => run.slice(0, 11));
  expect(names).toEqual([...new Set(names)]);
  // Of what was leapt over, the newest slot is caught up.
  for (const slot of [...before, ...later]) expect(names).toContain(slot);
  expect(names.length - new Set([...before, ...later]).size).toBeLessThanOrEqual(1);
});

test("a clock set forward by a month and back again repeats nothing and goes on at once", async () => {
  const { clock, fired } = agent("0 * * * *");
  await clock.advance(2 * HOUR);
  clock.jump(30 * DAY);
  await clock.advance(2 * MINUTE);
  clock.jump(-30 * DAY);
  await clock.advance(3 * HOUR);
  const here = fired.filter((run) => run.startsWith("03-"));
  expect(here).toEqual(slots("0 * * * *", START, START + 5 * HOUR + 2 * MINUTE));
});

test("after days away one run is caught up, spread, and then all is as before", async () => {
  const { clock, fired, away } = agent("0 2 * * *");
  await clock.advance(2 * DAY);
  await away(5 * DAY);
  expect(fired).toHaveLength(2);
  await clock.advance(35 * MINUTE);
  expect(fired.slice(2)).toEqual(["03-09T01:00 CatchUp"]);
  await clock.advance(DAY);
  expect(fired.slice(3)).toEqual(["03-10T01:00"]);
});

test("a schedule that changes at the moment of its slot fires the old slot or none, and no slot of the new one from before", async () => {
  const slot = Date.UTC(2026, 2, 3, 1);
  const exactly = agent("0 2 * * *");
  await exactly.clock.advance(slot - START);
  exactly.change({ cron: "0 1,2,3 * * *" });
  await exactly.clock.advance(90 * MINUTE);
  expect(exactly.fired).toEqual(["03-03T01:00", "03-03T02:00"]);

  const before = agent("0 2 * * *");
  await before.clock.advance(slot - START - 1);
  before.change({ cron: "0 1,2,3 * * *" });
  await before.clock.advance(90 * MINUTE);
  expect(before.fired).toEqual(["03-03T01:00", "03-03T02:00"]);

  const moved = agent("0 2 * * *");
  await moved.clock.advance(slot - START - 1);
  moved.change({ cron: "59 1 * * *" });
  await moved.clock.advance(DAY);
  expect(moved.fired).toEqual(["03-04T00:59"]);
});

test.each([
  ["suspended", { suspend: true }, { suspend: false }],
  ["paused", { paused: true }, { paused: false }],
])("no slot of the time in which it was %s is caught up", async (_, off, on) => {
  const { clock, fired, change } = agent("0 2 * * *");
  await clock.advance(DAY);
  change(off);
  await clock.advance(3 * DAY);
  change(on);
  await clock.advance(DAY);
  expect(fired).toEqual(["03-03T01:00", "03-07T01:00"]);
});

test("a slot past its startingDeadline is not caught up", async () => {
  const { clock, fired, away } = agent("0 2 * * *", { startingDeadlineMs: 2 * HOUR });
  await clock.advance(12 * HOUR);
  await away(6 * HOUR);
  await clock.advance(6 * HOUR);
  expect(fired).toEqual([]);
  await clock.advance(DAY);
  expect(fired).toEqual(["03-04T01:00"]);
});
