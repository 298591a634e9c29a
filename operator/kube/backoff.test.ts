import { expect, test } from "vitest";
import { seededRandom } from "#base/random.ts";
import { Backoff } from "./backoff.ts";

const plan = { firstMs: 800, factor: 2, longestMs: 30_000, forgetAfterMs: 120_000 };
/** Takes the whole delay, so that the table shows the plan itself. */
const whole = { next: () => 1 };

test("the delay doubles from 0.8 s to 30 s and stays there", () => {
  const backoff = new Backoff(plan, whole);
  let now = 0;
  const delays = Array.from({ length: 8 }, () => {
    const delay = backoff.next(now);
    now += delay;
    return delay;
  });
  expect(delays).toEqual([800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
});

test("two minutes without a failure, the delay itself apart, make the next failure a first one", () => {
  const backoff = new Backoff(plan, whole);
  expect([backoff.next(0), backoff.next(800)]).toEqual([800, 1600]);
  expect(backoff.next(2400 + 120_000)).toBe(3200);
  expect(backoff.next(2400 + 120_000 + 3200 + 120_001)).toBe(800);
});

test("jitter takes between half and all of the delay", () => {
  const backoff = new Backoff({ ...plan, factor: 1 }, seededRandom(7));
  const delays = Array.from({ length: 1000 }, (_, index) => backoff.next(index));
  expect(Math.min(...delays)).toBeGreaterThanOrEqual(400);
  expect(Math.max(...delays)).toBeLessThanOrEqual(800);
  expect(new Set(delays).size).toBeGreaterThan(900);
});
