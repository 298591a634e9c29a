import { describe, expect, test } from "vitest";
import { at, hostOf, NOON, policyOf, runOf } from "../fixtures.ts";
import { type Policies, policiesDifference, summarizePolicies } from "./summary.ts";

const HOUR = 3_600_000;
const www = { policy: policyOf("www"), timing: { next: NOON + HOUR, overdueBefore: 0 } };

describe("a host's policies", () => {
  test("show the newest run and the newest success of each", () => {
    const runs = [
      runOf("a", { status: { phase: "Succeeded", startTime: at(NOON), completionTime: at(NOON + 1000) } }),
      runOf("b", { status: { phase: "Failed", startTime: at(NOON + 60_000), completionTime: at(NOON + 61_000) } }),
      runOf("other", { spec: { policyRef: "db" } }),
    ];
    expect(summarizePolicies(hostOf("web-1"), [www], runs)).toEqual([
      {
        name: "www",
        lastRun: "b",
        lastPhase: "Failed",
        lastSuccessfulTime: at(NOON + 1000),
        nextScheduleTime: at(NOON + HOUR),
      },
    ]);
  });

  test("remember runs that were deleted since", () => {
    const before = { name: "www", lastRun: "a", lastPhase: "Succeeded", lastSuccessfulTime: at(NOON) };
    const host = hostOf("web-1", { status: { policies: [before] } });
    expect(summarizePolicies(host, [{ ...www, timing: undefined }], [])).toEqual([before]);
  });

  test("fire not on a paused host", () => {
    expect(summarizePolicies(hostOf("web-1", { spec: { paused: true } }), [www], [])).toEqual([{ name: "www" }]);
  });

  test("forget those that no longer select it", () => {
    const host = hostOf("web-1", { status: { policies: [{ name: "old", lastRun: "a" }] } });
    expect(summarizePolicies(host, [], [])).toEqual([]);
  });
});

test.each<[string, Policies, Policies, string]>([
  ["another policy is news", [], [{ name: "www" }], "lasting"],
  ["one policy fewer is news", [{ name: "www" }], [], "lasting"],
  [
    "a run that began is about to end",
    [{ name: "www" }],
    [{ name: "www", lastRun: "a", lastPhase: "Running" }],
    "transient",
  ],
  [
    "a run that ended is news",
    [{ name: "www", lastRun: "a", lastPhase: "Running" }],
    [{ name: "www", lastRun: "a", lastPhase: "Failed" }],
    "lasting",
  ],
  [
    "the next slot moves by itself",
    [{ name: "www", nextScheduleTime: at(NOON) }],
    [{ name: "www", nextScheduleTime: at(NOON + HOUR) }],
    "transient",
  ],
  ["nothing is nothing", [{ name: "www" }], [{ name: "www" }], "none"],
])("%s", (_, live, wanted, want) => expect(policiesDifference(live, wanted)).toBe(want));
