import { describe, expect, test } from "vitest";
import { at, connectedHost, hostOf, NOON, policyOf, readyRepository, repositoryOf, runOf } from "../fixtures.ts";
import { type Summary, type SummaryInputs, summarize, summaryDifference } from "./summary.ts";

const HOUR = 3_600_000;
const firing = (name: string, next: number) => ({
  policy: policyOf(name, { spec: { schedule: "0 * * * *" } }),
  repository: readyRepository("offsite"),
  timing: { next, overdueBefore: 0, changesAt: next },
});
const www = firing("www", NOON + HOUR);
const db = firing("db", NOON + HOUR / 2);
const byHand = { ...www, policy: policyOf("www"), timing: undefined };
/** Its Repository was never opened: no agent has it. */
const unserved = { ...db, repository: repositoryOf("offsite") };
const ready = { state: "ready", reason: "Connected", message: "" } as const;
const of = (given: Partial<SummaryInputs>): Summary =>
  summarize({ host: connectedHost("web-1"), readiness: ready, policies: [], runs: [], ...given });

describe("a host's policies", () => {
  test("show the newest run and the newest success of each", () => {
    const runs = [
      runOf("a", { status: { phase: "Succeeded", startTime: at(NOON), completionTime: at(NOON + 1000) } }),
      runOf("b", { status: { phase: "Failed", startTime: at(NOON + 60_000), completionTime: at(NOON + 61_000) } }),
      runOf("other", { spec: { policyRef: "db" } }),
    ];
    expect(of({ policies: [www], runs })).toEqual({
      policies: [
        {
          name: "www",
          lastRun: "b",
          lastPhase: "Failed",
          lastSuccessfulTime: at(NOON + 1000),
          nextScheduleTime: at(NOON + HOUR),
        },
      ],
      lastSuccessfulTime: at(NOON + 1000),
      display: { ok: "0/1", next: "2026-11-21T13:00Z" },
    });
  });

  test("are not what a rehearsal made of them", () => {
    const failed = runOf("a", { status: { phase: "Failed", startTime: at(NOON), completionTime: at(NOON + 1000) } });
    const rehearsal = runOf("b", {
      spec: { overrides: { dryRun: true } },
      status: { phase: "Succeeded", startTime: at(NOON + 60_000), completionTime: at(NOON + 61_000) },
    });
    expect(of({ policies: [www], runs: [failed, rehearsal] }).policies).toMatchObject([
      { lastRun: "a", lastPhase: "Failed" },
    ]);
  });

  test("are summed up in how many are well, the newest success and the first slot", () => {
    const success = (name: string, policyRef: string, minute: number) =>
      runOf(name, { spec: { policyRef }, status: { phase: "Succeeded", completionTime: at(NOON + minute * 60_000) } });
    const runs = [success("a", "www", 2), success("b", "db", 1)];
    const running = runOf("c", { spec: { policyRef: "db" }, status: { phase: "Running", startTime: at(NOON + HOUR) } });
    expect(of({ policies: [db, www], runs: [...runs, running] })).toMatchObject({
      lastSuccessfulTime: at(NOON + 120_000),
      display: { ok: "2/2", next: "2026-11-21T12:30Z" },
    });
  });

  test.each<[string, Partial<SummaryInputs>, string]>([
    [
      "a host that is away says so",
      { readiness: { ...ready, state: "waiting", reason: "Disconnected" } },
      "Disconnected",
    ],
    ["a paused one says so", { readiness: { ...ready, reason: "Paused" } }, "Paused"],
    ["one that no policy selects says so", { policies: [] }, "NoPolicy"],
    [
      "one whose only schedule is suspended says so",
      {
        policies: [
          { ...byHand, policy: policyOf("www", { spec: { schedule: "0 2 * * *", suspend: true } }) },
          { ...byHand, policy: policyOf("by-hand") },
        ],
      },
      "Suspended",
    ],
    [
      "one whose only schedule never happens says so",
      { policies: [{ ...byHand, policy: policyOf("www", { spec: { schedule: "0 0 31 2 *" } }) }] },
      "InvalidSchedule",
    ],
    ["one without a schedule runs by hand", { policies: [byHand] }, "Manual"],
    ["one whose only schedule waits for its repository says so", { policies: [unserved] }, "RepositoryNotReady"],
  ])("%s in place of the next run", (_, given, want) => {
    expect(of({ policies: [www], ...given }).display?.next).toBe(want);
  });

  test("remember runs that were deleted since", () => {
    const before = { name: "www", lastRun: "a", lastPhase: "Succeeded", lastSuccessfulTime: at(NOON) };
    const host = hostOf("web-1", { status: { policies: [before] } });
    expect(of({ host, policies: [byHand] })).toEqual({
      policies: [before],
      lastSuccessfulTime: at(NOON),
      display: { ok: "1/1", next: "Manual" },
    });
  });

  test("fire not while no agent has them: the first slot is that of another", () => {
    const summary = of({ policies: [unserved, www, { ...db, repository: undefined }] });
    expect(summary.policies?.map(({ nextScheduleTime }) => nextScheduleTime)).toEqual([
      undefined,
      at(NOON + HOUR),
      undefined,
    ]);
    expect(summary.display?.next).toBe("2026-11-21T13:00Z");
  });

  test("go on firing where the agent has them and the Repository is gone since", () => {
    const success = runOf("a", { spec: { policyRef: "db" }, status: { phase: "Succeeded", completionTime: at(NOON) } });
    const policies = [{ ...db, repository: undefined }];
    expect(of({ policies, runs: [success] }).policies).toMatchObject([{ nextScheduleTime: at(NOON + HOUR / 2) }]);
  });

  test("fire not on a host whose agent never came", () => {
    expect(of({ host: hostOf("web-1"), policies: [www] }).policies).toEqual([{ name: "www" }]);
  });

  test("fire not on a paused host", () => {
    expect(of({ host: connectedHost("web-1", { spec: { paused: true } }), policies: [www] }).policies).toEqual([
      { name: "www" },
    ]);
  });

  test("forget those that no longer select it", () => {
    const policies = [{ name: "old", lastRun: "a" }];
    const host = hostOf("web-1", { status: { policies, lastSuccessfulTime: at(NOON) } });
    expect(of({ host })).toEqual({ lastSuccessfulTime: at(NOON), display: { ok: "0/0", next: "NoPolicy" } });
  });
});

type Policies = NonNullable<Summary["policies"]>;
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
    "that the next slot moves is worth no write on each host",
    [{ name: "www", nextScheduleTime: at(NOON) }],
    [{ name: "www", nextScheduleTime: at(NOON + HOUR) }],
    "none",
  ],
  ["nothing is nothing", [{ name: "www" }], [{ name: "www" }], "none"],
])("%s", (_, live, wanted, want) => {
  expect(summaryDifference({ policies: live }, { policies: wanted })).toBe(want);
});

test("that a policy is well again, or none has been counted yet, is news", () => {
  const ok = (text: string | undefined): Summary =>
    text === undefined ? {} : { display: { ok: text, next: "Manual" } };
  const differences = [summaryDifference(ok("0/1"), ok("1/1")), summaryDifference(ok(undefined), ok("0/0"))];
  expect(differences).toEqual(["lasting", "lasting"]);
});
