import { expect, test } from "vitest";
import { milliseconds } from "./duration.ts";

test.each([
  ["hours", "26h", 93_600_000],
  ["several units add up", "1h30m15s", 5_415_000],
  ["fractions", "0.5s", 500],
  ["nothing", "0s", 0],
  ["a unit twice adds up, as in Go", "1m1m", 120_000],
])("%s", (_, text, want) => expect(milliseconds(text)).toBe(want));

test("what is no duration says how to write one", () => {
  expect(() => milliseconds("3d")).toThrow(
    '"3d" is no duration: write hours, minutes and seconds, like "90s" or "26h"',
  );
});
