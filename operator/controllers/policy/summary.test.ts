import { describe, expect, test } from "vitest";
import type { BackupRun } from "#crds/backuprun.ts";
import { at, connectedHost, hostOf, NOON, policyOf, readyRepository, repositoryOf, runOf } from "../fixtures.ts";
import { type Summary, summarize, summaryDifference } from "./summary.ts";

const HOUR = 3_600_000;
const hourly = { next: NOON + HOUR, overdueBefore: NOON - HOUR, changesAt: NOON + HOUR };

function ended(
  name: string,
  phase: "Succeeded" | "Failed" | "Skipped",
  minutes: number,
  parts: Parameters<typeof runOf>[1] = {},
): BackupRun {
  return runOf(name, {
    ...parts,
    status: { phase, reason: `${phase}Reason`, completionTime: at(NOON + minutes * 60_000) },
  });
}

function of(given: Partial<Parameters<typeof summarize>[0]>): Summary {
  const hosts = given.hosts ?? [connectedHost("web-1")];
  return summarize({
    policy: policyOf("www"),
    repository: readyRepository("offsite"),
    readiness: { state: "ready", reason: "Ready", message: "" },
    timings: hosts.map(() => undefined),
    runs: [],
    now: NOON,
    ...given,
    hosts,
  });
}

describe("a policy's summary", () => {
  test("counts hosts whose newest ended run succeeded, and names those of which it did not", () => {
    const hosts = ["web-1", "web-2", "web-3"].map((name) => hostOf(name));
    const runs = [
      ended("a", "Failed", 1),
      ended("b", "Succeeded", 2),
      ended("c", "Succeeded", 1, { spec: { hostRef: "web-2" } }),
      ended("d", "Failed", 2, { spec: { hostRef: "web-2" } }),
    ];
    expect(of({ hosts, runs })).toEqual({
      hosts: { selected: 3, applied: 0, succeeded: 1, failing: 1, overdue: 0, running: 0 },
      lastSuccessfulTime: at(NOON + 120_000),
      failing: [{ host: "web-2", run: "d", reason: "FailedReason" }],
      display: { ok: "1/3", next: "Manual" },
    });
  });

  test("shows why there is no next run where the policy is not ready", () => {
    const readiness = { state: "waiting", reason: "RepositoryNotReady", message: "" } as const;
    expect(of({ readiness, timings: [hourly] }).display).toEqual({ ok: "0/1", next: "RepositoryNotReady" });
  });

  test("shows that it has a schedule where all its hosts are paused", () => {
    const hosts = [connectedHost("web-1", { spec: { paused: true } })];
    const policy = policyOf("www", { spec: { schedule: "0 2 * * *" } });
    expect(of({ policy, hosts, timings: [hourly] }).display?.next).toBe("Paused");
  });

  test("names no slot of a host whose agent never came, nor of a repository that was never opened", () => {
    const policy = policyOf("www", { spec: { schedule: "0 * * * *" } });
    const sooner = { ...hourly, next: NOON + HOUR / 2 };
    const hosts = [hostOf("new"), connectedHost("web-1")];
    expect(of({ policy, hosts, timings: [sooner, hourly] }).nextScheduleTime).toBe(at(NOON + HOUR));
    expect(of({ policy, hosts: [hostOf("new")], timings: [sooner] })).toMatchObject({
      display: { next: "NeverConnected" },
    });
    expect(of({ policy, hosts, timings: [sooner, hourly], repository: repositoryOf("offsite") })).not.toHaveProperty(
      "nextScheduleTime",
    );
  });

  test("remembers through the Hosts what the history limits have deleted", () => {
    const policies = [{ name: "www", lastRun: "old", lastPhase: "Succeeded", lastSuccessfulTime: at(NOON - HOUR) }];
    expect(of({ hosts: [hostOf("web-1", { status: { policies } })] })).toMatchObject({
      hosts: { succeeded: 1 },
      lastSuccessfulTime: at(NOON - HOUR),
    });
  });

  test("keeps the newest success it knew, also of a host that is gone", () => {
    const policy = policyOf("www", { status: { lastSuccessfulTime: at(NOON) } });
    expect(of({ policy, runs: [ended("a", "Succeeded", -5)] }).lastSuccessfulTime).toBe(at(NOON));
  });

  test("a run that gave way to another, or a rehearsal, says nothing of how the backups go", () => {
    const dry = ended("dry", "Succeeded", 3, { spec: { overrides: { dryRun: true } } });
    const runs = [ended("a", "Failed", 1), ended("b", "Skipped", 2), dry];
    const summary = of({ runs });
    expect(summary.failing).toEqual([{ host: "web-1", run: "a", reason: "FailedReason" }]);
    expect(summary.lastSuccessfulTime).toBeUndefined();
  });

  test("counts hosts on which it runs, and those with the newest configuration", () => {
    const hosts = [
      hostOf("web-1", { status: { config: { desired: "x", applied: "x" } } }),
      hostOf("web-2", { status: { config: { desired: "x", applied: "y" } } }),
    ];
    const running = runOf("r", { status: { phase: "Running" } });
    expect(of({ hosts, runs: [running] }).hosts).toMatchObject({ selected: 2, applied: 1, running: 1 });
  });

  test("a host that lived through two slots without a success is overdue, a newer one or a paused one is not", () => {
    const hosts = [
      connectedHost("old", { created: NOON - 9 * HOUR }),
      connectedHost("new", { created: NOON }),
      hostOf("paused", { created: NOON - 9 * HOUR, spec: { paused: true } }),
    ];
    const policy = policyOf("www", { created: NOON - 9 * HOUR });
    const runs = [ended("a", "Succeeded", -3 * 60, { spec: { hostRef: "old" } })];
    expect(of({ policy, hosts, runs, timings: [hourly, hourly, hourly] })).toMatchObject({
      hosts: { overdue: 1, succeeded: 1, failing: 0 },
      nextScheduleTime: at(NOON + HOUR),
      failing: [{ host: "old", run: "a", reason: "Overdue" }],
      display: { ok: "0/3", next: "2026-11-21T13:00Z" },
    });
  });

  test("names at most twenty failing hosts", () => {
    const hosts = Array.from({ length: 30 }, (_, index) => hostOf(`web-${index}`));
    const runs = hosts.map(({ metadata }) =>
      ended(`r-${metadata.name}`, "Failed", 1, { spec: { hostRef: metadata.name } }),
    );
    const summary = of({ hosts, runs });
    expect(summary.hosts?.failing).toBe(30);
    expect(summary.failing).toHaveLength(20);
  });
});

test.each<[string, Summary, Summary, string]>([
  ["a run that began is about to end", { hosts: { running: 0 } }, { hosts: { running: 1 } }, "transient"],
  [
    "the next slot that moves by itself waits for a write that comes anyway",
    { nextScheduleTime: at(NOON) },
    { nextScheduleTime: at(NOON + HOUR) },
    "transient",
  ],
  [
    "one that moves again in a moment, as with hosts one after the other, is not worth any",
    { nextScheduleTime: at(NOON) },
    { nextScheduleTime: at(NOON + 299_999) },
    "none",
  ],
  ["a schedule that ended is", { nextScheduleTime: at(NOON) }, {}, "transient"],
  [
    "a host that is well again is news",
    { hosts: { succeeded: 1 }, display: { ok: "0/1" } },
    { hosts: { succeeded: 1 }, display: { ok: "1/1" } },
    "lasting",
  ],
  [
    "a run that ended is news",
    { hosts: { running: 1, succeeded: 0 } },
    { hosts: { running: 0, succeeded: 1 } },
    "lasting",
  ],
  [
    "a next slot that is long past is worth one, however near the one after it is",
    { nextScheduleTime: at(NOON - 5 * 60_000) },
    { nextScheduleTime: at(NOON + 60_000) },
    "transient",
  ],
  ["so is the first one", {}, { nextScheduleTime: at(NOON + 60_000) }, "transient"],
  ["nothing is nothing", { hosts: { selected: 1 } }, { hosts: { selected: 1 } }, "none"],
])("%s", (_, live, wanted, want) => expect(summaryDifference(live, wanted, NOON)).toBe(want));
