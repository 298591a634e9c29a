import { expect, test } from "vitest";
import { writeIn } from "./progress-pace.ts";

const running = { phase: "Running", reason: "Running" };

test.each([
  ["a run whose record may be on its way waits a second for it", running, { phase: "Pending" }, undefined, 0, 0, 1_000],
  ["if no record came in that second it is written", running, { phase: "Pending" }, undefined, 0, 1_000, 0],
  ["what the record said is not said again", running, { phase: "Pending" }, { ...running, at: 500 }, 0, 1_000, 9_500],
  ["the first figures are due 10 s after the record", running, running, { ...running, at: 0 }, 9_000, 10_000, 0],
  ["further figures wait 30 s", running, { ...running, progress: {} }, { ...running, at: 0 }, 10_000, 10_000, 20_000],
  [
    "30 s after the last write they are due",
    running,
    { ...running, progress: {} },
    { ...running, at: 0 },
    29_000,
    30_000,
    0,
  ],
  [
    "a new reason is written at once",
    { phase: "Running", reason: "RepositoryUnreachable" },
    running,
    { ...running, at: 9_000 },
    9_999,
    9_999,
    0,
  ],
  [
    "a run the leader gave up for Unknown while its host was away is Running again a second after the first word of it",
    running,
    { phase: "Unknown", reason: "HostOffline", progress: {} },
    { ...running, at: 0 },
    5_000,
    6_000,
    0,
  ],
  [
    "what was just written is not written again because the cache still shows Unknown",
    running,
    { phase: "Unknown", reason: "HostOffline", progress: {} },
    { ...running, at: 6_000 },
    6_500,
    6_500,
    29_500,
  ],
  ["a run that came from another replica is written at once", running, running, undefined, 5, 5, 0],
])("%s", (_, report, standing, last, since, now, want) => {
  expect(writeIn(report, standing, last, since, now)).toBe(want);
});
