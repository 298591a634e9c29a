import { describe, expect, test } from "vitest";
import { at, hostOf, NOON, policyOf } from "../fixtures.ts";
import { Timings, timing } from "./timing.ts";

const host = hostOf("web-1");

describe("when a policy fires on a host", () => {
  test.each<[string, Parameters<typeof policyOf>[1], [string, string] | undefined]>([
    ["never without a schedule", {}, undefined],
    ["never while suspended", { spec: { schedule: "0 * * * *", suspend: true } }, undefined],
    ["never with an impossible one", { spec: { schedule: "0 0 31 2 *" } }, undefined],
    [
      "at the next slot, and overdue from two slots ago, of which the last may still succeed",
      { spec: { schedule: "30 * * * *" } },
      ["2026-11-21T12:30:00Z", "2026-11-21T09:30:00Z"],
    ],
    [
      "in its own time zone",
      { spec: { schedule: "0 2 * * *", timeZone: "Europe/Berlin" } },
      ["2026-11-22T01:00:00Z", "2026-11-20T01:00:00Z"],
    ],
  ])("%s", (_, policy, want) => {
    const found = timing(policyOf("www", policy), host, NOON);
    expect(found && [at(found.next), at(found.overdueBefore)]).toEqual(want);
  });

  test.each([
    ["when the slot comes, at which its run has just begun", "0 2 * * *", "02:00", "19T02:00", "03:00"],
    ["nor for an hour after it", "0 2 * * *", "02:59", "19T02:00", "03:00"],
    ["then it is", "0 2 * * *", "03:00", "20T02:00", "02:00"],
    ["nor before the next slot, where that comes sooner", "*/5 * * * *", "12:04", "21T11:50", "12:05"],
  ])("a host that missed the slot before is not overdue %s", (_, schedule, now, overdueBefore, changesAt) => {
    const found = timing(policyOf("www", { spec: { schedule } }), host, Date.parse(`2026-11-21T${now}:00Z`))!;
    expect(at(found.overdueBefore)).toBe(`2026-11-${overdueBefore}:00Z`);
    expect(at(found.changesAt)).toContain(`T${changesAt}:00Z`);
  });

  test("a slot that is over but for its jitter is the next", () => {
    const policy = policyOf("www", { spec: { schedule: "0 * * * *", jitter: "30m" } });
    const found = timing(policy, host, NOON + 1)!;
    expect(found.next).toBeGreaterThan(NOON);
    expect(found.next).toBeLessThan(NOON + 30 * 60_000);
  });
});

test("timings are kept until their slot has come, and made anew for another spec", () => {
  const timings = new Timings();
  const of = (schedule: string, generation: number, now: number) =>
    timings.of(policyOf("www", { generation, spec: { schedule } }), [host], now)[0]?.next;
  expect(of("30 * * * *", 1, NOON)).toBe(NOON + 30 * 60_000);
  expect(of("0 * * * *", 1, NOON)).toBe(NOON + 30 * 60_000);
  expect(of("0 * * * *", 2, NOON)).toBe(NOON + 60 * 60_000);
  expect(of("0 * * * *", 2, NOON + 61 * 60_000)).toBe(NOON + 120 * 60_000);
});
