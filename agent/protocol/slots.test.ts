import { describe, expect, test } from "vitest";
import { jitterMs, nextSlot, previousSlot, validate } from "./slots.ts";

const seed = { policyUID: "0d6cbf0b-6c12-4c9c-9d35-5b35a1b4e8a1", hostUID: "5f0f39f1-7a55-43d4-9a9c-6f9a7ce9fb0f" };
const iso = (ms: number | undefined) =>
  ms === undefined ? "none" : new Date(ms).toISOString().replace(/:00\.000Z$/, "Z");

function slotsFrom(cron: string, timeZone: string, after: string, count: number): string[] {
  const found: string[] = [];
  let at: number | undefined = Date.parse(after);
  while (found.length < count && at !== undefined) {
    at = nextSlot({ cron, timeZone }, seed, at);
    found.push(iso(at));
  }
  return found;
}

describe("a schedule is refused with what to write", () => {
  test.each([
    ["an empty one", "", "UTC", "schedule is empty"],
    ["blanks only", "   ", "UTC", "schedule is empty"],
    ["four fields", "0 2 * *", "UTC", "has 4 fields instead of 5"],
    ["one word", "daily", "UTC", "has 1 field instead of 5"],
    ["six fields", "0 0 2 * * *", "UTC", "take the seconds (the first field) out"],
    ["an unknown macro", "@secondly", "UTC", '"@secondly" is not known'],
    ["a minute of 60", "60 2 * * *", "UTC", 'the minute field "60" cannot be used'],
    ["an hour in words", "0 two * * *", "UTC", 'the hour field "two" cannot be used'],
    ["a step of 0", "*/0 2 * * *", "UTC", 'the minute field "*/0" cannot be used'],
    ["month 13", "0 2 * 13 *", "UTC", 'the month field "13" cannot be used'],
    ["weekday 8", "0 2 * * 8", "UTC", 'the day of week field "8" cannot be used'],
    ["30 February", "0 0 30 2 *", "UTC", "never happens"],
    ["31 April", "0 0 31 4 *", "UTC", "never happens"],
    ["a time zone in the schedule", "CRON_TZ=UTC 0 2 * * *", "UTC", "write the time zone into timeZone instead"],
    ["an unknown time zone", "0 2 * * *", "Europe/Atlantis", 'timeZone "Europe/Atlantis" is not known'],
    ["an offset", "0 2 * * *", "+02:00", 'timeZone "+02:00" is not known'],
    ["an empty time zone", "0 2 * * *", "", "timeZone is empty"],
  ])("%s", (_, cron, timeZone, message) => {
    expect(validate(cron, timeZone)).toContain(message);
  });
});

test.each([
  "30 2 * * *",
  "@hourly",
  "@daily",
  "@midnight",
  "@weekly",
  "@monthly",
  "@yearly",
  "H H * * *",
  "H H H * *",
  "H(0-5)/2 1 * * mon-fri",
  "*/5 * 1,15 jan-mar ?",
  "0 0 29 2 *",
  "0 3 * * 5L",
])("%s is accepted", (cron) => {
  expect(validate(cron, "Europe/Berlin")).toBeUndefined();
});

describe("daylight saving time", () => {
  test.each([
    [
      "a daily slot in Berlin's spring gap runs once right after it",
      "30 2 * * *",
      "Europe/Berlin",
      "2026-03-28T00:00:00Z",
      ["2026-03-28T01:30Z", "2026-03-29T01:00Z", "2026-03-30T00:30Z"],
    ],
    [
      "several slots of one gap are one run",
      "0,20,40 2 * * *",
      "Europe/Berlin",
      "2026-03-28T02:00:00Z",
      ["2026-03-29T01:00Z", "2026-03-30T00:00Z"],
    ],
    [
      "a daily slot in Berlin's autumn fold runs once, the first time",
      "30 2 * * *",
      "Europe/Berlin",
      "2026-10-24T12:00:00Z",
      ["2026-10-25T00:30Z", "2026-10-26T01:30Z"],
    ],
    [
      "a daily slot in Cairo's gap at midnight stays on its day",
      "30 0 * * *",
      "Africa/Cairo",
      "2026-04-23T00:00:00Z",
      ["2026-04-23T22:00Z", "2026-04-24T21:30Z"],
    ],
    [
      "a daily slot in Santiago's gap at midnight stays on its day",
      "30 0 * * *",
      "America/Santiago",
      "2026-09-05T12:00:00Z",
      ["2026-09-06T04:00Z", "2026-09-07T03:30Z"],
    ],
    [
      "a daily slot in Santiago's fold before midnight runs once",
      "30 23 * * *",
      "America/Santiago",
      "2026-04-03T12:00:00Z",
      ["2026-04-04T02:30Z", "2026-04-05T02:30Z", "2026-04-06T03:30Z"],
    ],
    [
      "Lord Howe's half hour in spring",
      "15 2 * * *",
      "Australia/Lord_Howe",
      "2026-10-02T20:00:00Z",
      ["2026-10-03T15:30Z", "2026-10-04T15:15Z"],
    ],
    [
      "Lord Howe's half hour in autumn",
      "45 1 * * *",
      "Australia/Lord_Howe",
      "2026-04-03T12:00:00Z",
      ["2026-04-03T14:45Z", "2026-04-04T14:45Z", "2026-04-05T15:15Z"],
    ],
    [
      "an hourly schedule skips no hour in spring",
      "30 * * * *",
      "Europe/Berlin",
      "2026-03-29T00:00:00Z",
      ["2026-03-29T00:30Z", "2026-03-29T01:30Z", "2026-03-29T02:30Z"],
    ],
    [
      "an hourly schedule runs in both hours of autumn",
      "30 * * * *",
      "Europe/Berlin",
      "2026-10-24T23:40:00Z",
      ["2026-10-25T00:30Z", "2026-10-25T01:30Z", "2026-10-25T02:30Z"],
    ],
    [
      "a schedule for every ten minutes is even through spring",
      "*/10 * * * *",
      "Europe/Berlin",
      "2026-03-29T00:45:00Z",
      ["2026-03-29T00:50Z", "2026-03-29T01:00Z", "2026-03-29T01:10Z"],
    ],
    [
      "a slot at the very jump counts",
      "0 * * * *",
      "Europe/Berlin",
      "2026-10-25T00:00:00Z",
      ["2026-10-25T01:00Z", "2026-10-25T02:00Z"],
    ],
    ["UTC has no jumps", "30 2 * * *", "UTC", "2026-03-28T00:00:00Z", ["2026-03-28T02:30Z", "2026-03-29T02:30Z"]],
  ])("%s", (_, cron, timeZone, after, want) => {
    expect(slotsFrom(cron, timeZone, after, want.length)).toEqual(want);
  });

  test.each(["Europe/Berlin", "Africa/Cairo", "America/Santiago", "Australia/Lord_Howe", "America/New_York", "UTC"])(
    "in %s a daily slot happens 365 times in 2026, and the way back finds the same ones",
    (timeZone) => {
      const schedule = { cron: "30 0 * * *", timeZone };
      const forward: number[] = [];
      let at = nextSlot(schedule, seed, Date.UTC(2025, 11, 31, 12));
      while (at !== undefined && at < Date.UTC(2026, 11, 31, 12)) {
        forward.push(at);
        at = nextSlot(schedule, seed, at);
      }
      const back: number[] = [];
      let earlier = previousSlot(schedule, seed, Date.UTC(2026, 11, 31, 12));
      while (earlier !== undefined && earlier > Date.UTC(2025, 11, 31, 12)) {
        back.unshift(earlier);
        earlier = previousSlot(schedule, seed, earlier - 1);
      }
      expect(forward).toHaveLength(365);
      expect(back).toEqual(forward);
    },
  );

  test("an hourly schedule found backwards is the one found forwards, over both jumps", () => {
    const schedule = { cron: "*/20 * * * *", timeZone: "Australia/Lord_Howe" };
    for (const start of ["2026-04-04T12:00:00Z", "2026-10-03T12:00:00Z"]) {
      const end = Date.parse(start) + 8 * 3_600_000;
      const forward: number[] = [];
      for (let at = nextSlot(schedule, seed, Date.parse(start)); at !== undefined && at <= end; ) {
        forward.push(at);
        at = nextSlot(schedule, seed, at);
      }
      const back: number[] = [];
      for (let at = previousSlot(schedule, seed, end); at !== undefined && at > Date.parse(start); ) {
        back.unshift(at);
        at = previousSlot(schedule, seed, at - 1);
      }
      expect(back).toEqual(forward);
    }
  });
});

describe("H", () => {
  test("is one stable minute and hour of policy and host, for ever", () => {
    expect(slotsFrom("H H * * *", "UTC", "2026-01-01T00:00:00Z", 2)).toMatchInlineSnapshot(`
      [
        "2026-01-01T21:10Z",
        "2026-01-02T21:10Z",
      ]
    `);
  });

  test("as day of month is a day that every month has", () => {
    for (let host = 0; host < 60; host++) {
      const other = { ...seed, hostUID: `host-${host}` };
      let at = Date.UTC(2026, 0, 1) - 1;
      const months = new Set<number>();
      for (let i = 0; i < 12; i++) {
        at = nextSlot({ cron: "0 3 H * *", timeZone: "UTC" }, other, at) ?? Number.NaN;
        months.add(new Date(at).getUTCMonth());
      }
      expect(months.size).toBe(12);
    }
  });

  test("spreads hosts over the hour", () => {
    const minutes = new Set<string>();
    for (let host = 0; host < 200; host++) {
      minutes.add(iso(nextSlot({ cron: "H 2 * * *", timeZone: "UTC" }, { ...seed, hostUID: `host-${host}` }, 0)));
    }
    expect(minutes.size).toBeGreaterThan(45);
  });
});

test("an impossible date has no slot, and says so at once", () => {
  const started = performance.now();
  expect(nextSlot({ cron: "0 0 30 2 *", timeZone: "UTC" }, seed, 0)).toBeUndefined();
  expect(previousSlot({ cron: "0 0 30 2 *", timeZone: "UTC" }, seed, Date.UTC(2026, 0, 1))).toBeUndefined();
  expect(performance.now() - started).toBeLessThan(1000);
});

test("the slot of this very instant is the previous one, not the next", () => {
  const at = Date.parse("2026-06-01T02:30:00Z");
  expect(previousSlot({ cron: "30 2 * * *", timeZone: "UTC" }, seed, at)).toBe(at);
  expect(iso(nextSlot({ cron: "30 2 * * *", timeZone: "UTC" }, seed, at))).toBe("2026-06-02T02:30Z");
});

describe("jitter", () => {
  test("is stable, below its maximum, and spread", () => {
    expect(jitterMs(seed, 0)).toBe(0);
    expect(jitterMs(seed, 600_000)).toBe(jitterMs(seed, 600_000));
    const delays = Array.from({ length: 200 }, (_, host) => jitterMs({ ...seed, hostUID: `host-${host}` }, 600_000));
    expect(Math.max(...delays)).toBeLessThan(600_000);
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...delays) - Math.min(...delays)).toBeGreaterThan(500_000);
  });
});
