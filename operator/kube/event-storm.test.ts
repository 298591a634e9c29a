import { expect, test } from "vitest";
import { StormGuard } from "./event-storm.ts";

/** A thousand objects within ten seconds. */
function storm(guard: StormGuard<number>): number[] {
  return Array.from({ length: 1000 }, (_, index) => index).filter((index) =>
    guard.admit("hosts", index, index * 10, index * 10),
  );
}

test("of a thousand objects with one trouble ten are told, and one for all others after half a minute", () => {
  const guard = new StormGuard<number>(() => {});
  expect(storm(guard)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(guard.due(29_999)).toEqual([]);
  expect(guard.due(30_100)).toEqual([{ newest: 999, count: 990, since: 100 }]);
  expect(guard.due(600_000)).toEqual([]);
});

test("who comes while others are held back joins them, so that none is told out of turn", () => {
  const guard = new StormGuard<number>(() => {});
  storm(guard);
  expect(guard.admit("hosts", 1000, 40_000, 40_000)).toBe(false);
  expect(guard.due(40_000)).toEqual([{ newest: 1000, count: 991, since: 100 }]);
});

test("a storm of one reason holds back no other", () => {
  const guard = new StormGuard<number>(() => {});
  storm(guard);
  expect(guard.admit("repositories", 0, 10_000, 10_000)).toBe(true);
});

test("after five quiet minutes ten are told again", () => {
  const guard = new StormGuard<number>(() => {});
  storm(guard);
  guard.due(60_000);
  guard.due(400_000);
  const told = Array.from({ length: 20 }, (_, index) => guard.admit("hosts", index, 400_000, 400_000));
  expect(told.filter(Boolean)).toHaveLength(10);
});

test("each that a newer one stands for is let go of", () => {
  const displaced: number[] = [];
  storm(new StormGuard<number>((item) => displaced.push(item)));
  expect(displaced).toEqual(Array.from({ length: 989 }, (_, index) => 10 + index));
});
