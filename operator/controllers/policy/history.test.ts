import { expect, test } from "vitest";
import type { BackupPolicy } from "#crds/backuppolicy.ts";
import type { BackupRun } from "#crds/backuprun.ts";
import type { Host } from "#crds/host.ts";
import type { Phase } from "#protocol/outcome.ts";
import { at, hostOf, NOON, policyOf, runOf } from "../fixtures.ts";
import { surplus } from "./history.ts";

/** Runs named a, b, c, ... that ended one minute after the other. */
function ended(phases: Phase[], hostRef = "web-1", spec: Partial<BackupRun["spec"]> = {}): BackupRun[] {
  return phases.map((phase, index) =>
    runOf(`${hostRef}-${"abcdefgh"[index]}`, {
      spec: { hostRef, ...spec },
      status: { phase, completionTime: at(NOON + index * 60_000) },
    }),
  );
}
const summarized = (lastRun: string, lastPhase: string) =>
  hostOf("web-1", { status: { policies: [{ name: "www", lastRun, lastPhase }] } });

/** What goes a day later, when nothing stays for its age alone. */
function over(policy: BackupPolicy, runs: BackupRun[], host: Host | undefined): string[] {
  return surplus(policy, runs, () => host, NOON + 24 * 3_600_000).over.map(({ metadata }) => metadata.name);
}

const S = "Succeeded";
test.each<[string, BackupRun[], Parameters<typeof policyOf>[1], Host | undefined, string[]]>([
  ["three succeeded ones stay, the oldest go", ended([S, S, S, S, S]), {}, undefined, ["web-1-b", "web-1-a"]],
  ["one of the others stays", ended(["Failed", "Cancelled", S]), {}, undefined, ["web-1-a"]],
  [
    "what has not ended stays",
    ended(["Running", "Running", "Pending"]),
    { spec: { failedRunsHistoryLimit: 0 } },
    undefined,
    [],
  ],
  ["each host has its own history", [...ended([S, S]), ...ended([S, S], "web-2")], {}, undefined, []],
  [
    "a rehearsal does not push out a backup",
    [...ended([S, S, S]), ...ended([S, S], "web-1", { overrides: { dryRun: true } })],
    {},
    undefined,
    ["web-1-a"],
  ],
  [
    "with limits of zero all go once the Host remembers the newest",
    ended([S, S]),
    { spec: { successfulRunsHistoryLimit: 0 } },
    summarized("web-1-b", S),
    ["web-1-b", "web-1-a"],
  ],
  [
    "the newest stays until then",
    ended([S, S]),
    { spec: { successfulRunsHistoryLimit: 0 } },
    summarized("web-1-a", S),
    ["web-1-a"],
  ],
  [
    "a failure is not pushed out by a slot that was skipped after it, of which nobody would remember it",
    ended(["Failed", "Skipped"]),
    {},
    summarized("web-1-b", "Skipped"),
    [],
  ],
  [
    "nor by a rehearsal, which would make it look well",
    [...ended(["Failed"]), ...ended(["Cancelled", S], "web-1", { overrides: { dryRun: true } }).slice(1)],
    {},
    summarized("web-1-b", S),
    [],
  ],
])("%s", (_, runs, policy, host, want) => {
  expect(over(policyOf("www", policy), runs, host)).toEqual(want);
});

const manual = (phases: Phase[]) => ended(phases);
const scheduled = (phases: Phase[]) => ended(phases, "web-1", { trigger: "Schedule" });
const keepNone = policyOf("www", { spec: { successfulRunsHistoryLimit: 0, failedRunsHistoryLimit: 0 } });
const MINUTE = 60_000;
test.each<[string, BackupRun[], number, string[], number]>([
  [
    "one that somebody asked for stays for an hour after its end, so that kubectl wait finds it",
    manual(["Failed", "Failed", "Cancelled"]),
    NOON + 3 * MINUTE,
    [],
    57 * MINUTE,
  ],
  ["and no longer", manual(["Failed", "Failed", "Cancelled"]), NOON + 60 * MINUTE, ["web-1-a"], MINUTE],
  ["one of a slot does not", scheduled(["Failed", "Failed"]), NOON, ["web-1-b", "web-1-a"], Number.POSITIVE_INFINITY],
])("of those beyond the limits %s", (_, runs, now, want, afterMs) => {
  const result = surplus(keepNone, runs, () => summarized("web-1-b", "Failed"), now);
  expect(result.over.map(({ metadata }) => metadata.name)).toEqual(want);
  expect(result.afterMs).toBe(afterMs);
});

test("so a pipeline that asks every minute has ten of its runs kept", () => {
  const runs = Array.from({ length: 15 }, (_, index) =>
    runOf(`r-${index}`, { status: { phase: "Failed", completionTime: at(NOON + index * MINUTE) } }),
  );
  const { over } = surplus(keepNone, runs, () => summarized("r-14", "Failed"), NOON + 15 * MINUTE);
  expect(over.map(({ metadata }) => metadata.name)).toEqual(["r-4", "r-3", "r-2", "r-1", "r-0"]);
});

test("of two that ended in the same second the one that ended first goes, whatever they are called", () => {
  const failed = (name: string, resourceVersion: string) => {
    const run = runOf(name, { spec: { hostRef: "web-1" }, status: { phase: "Failed", completionTime: at(NOON) } });
    return { ...run, metadata: { ...run.metadata, resourceVersion } };
  };
  expect(over(policyOf("www"), [failed("a", "1000"), failed("z", "999")], undefined)).toEqual(["z"]);
});
