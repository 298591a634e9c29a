import { expect, test } from "vitest";
import { ManualClock } from "#base/manual-clock.ts";
import { TokenBucket } from "./token-bucket.ts";

test("the burst goes at once, then one each 50 ms, and the wait is told", async () => {
  const clock = new ManualClock();
  const bucket = new TokenBucket({ perSecond: 20, burst: 40, clock });
  expect(Array.from({ length: 41 }, () => bucket.take())).toEqual([...Array(40).fill(0), 50]);
  await clock.advance(30);
  expect(bucket.take()).toBe(20);
  await clock.advance(20);
  expect([bucket.take(), bucket.take()]).toEqual([0, 50]);
});

test("a long rest fills it up to the burst and no further", async () => {
  const clock = new ManualClock();
  const bucket = new TokenBucket({ perSecond: 20, burst: 3, clock });
  await clock.advance(3_600_000);
  expect([bucket.take(), bucket.take(), bucket.take(), bucket.take()]).toEqual([0, 0, 0, 50]);
});
