import { expect, test } from "vitest";
import { systemClock } from "#base/clock.ts";
import { RateLimit } from "./rate-limit.ts";

function limit(each: number, all: number) {
  let now = 0;
  const clock = { ...systemClock, monotonic: () => now };
  const rates = { each: { perSecond: 1, burst: each }, all: { perSecond: 10, burst: all } };
  return { limit: new RateLimit(rates, clock), pass: (ms: number) => (now += ms) };
}

test("an address that asks too often is told when to come back, and then may", () => {
  const { limit: rate, pass } = limit(2, 100);
  rate.admit("a");
  rate.admit("a");
  expect(() => rate.admit("a")).toThrow(expect.objectContaining({ status: 429, retryAfter: 1 }));
  rate.admit("b");
  pass(1_000);
  rate.admit("a");
});

test("all together have a limit too, which one address alone cannot use up", () => {
  const { limit: rate } = limit(2, 3);
  for (let i = 0; i < 10; i++) {
    try {
      rate.admit("greedy");
    } catch {
      // refused by its own limit
    }
  }
  rate.admit("b");
  expect(() => rate.admit("c")).toThrow(expect.objectContaining({ status: 503, code: "busy" }));
});
