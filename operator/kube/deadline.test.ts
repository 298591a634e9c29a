import { expect, test } from "vitest";
import { ManualClock } from "#base/manual-clock.ts";
import { Deadline } from "./deadline.ts";

test("it aborts with its own reason when the time is up", async () => {
  const clock = new ManualClock();
  using deadline = new Deadline(clock, 1000, [], () => new Error("late"));
  await clock.advance(999);
  expect(deadline.signal.aborted).toBe(false);
  await clock.advance(1);
  expect(deadline.signal.reason).toEqual(new Error("late"));
});

test("it aborts with the reason of a parent, also of one that has aborted before", () => {
  const parent = new AbortController();
  using first = new Deadline(new ManualClock(), 1000, [undefined, parent.signal], () => new Error("late"));
  parent.abort(new Error("parent"));
  using second = new Deadline(new ManualClock(), 1000, [parent.signal], () => new Error("late"));
  expect([first.signal.reason.message, second.signal.reason.message]).toEqual(["parent", "parent"]);
});

test("once disposed of, neither time nor parents matter", async () => {
  const clock = new ManualClock();
  const parent = new AbortController();
  const deadline = new Deadline(clock, 1000, [parent.signal], () => new Error("late"));
  deadline[Symbol.dispose]();
  await clock.advance(2000);
  parent.abort();
  expect(deadline.signal.aborted).toBe(false);
});
