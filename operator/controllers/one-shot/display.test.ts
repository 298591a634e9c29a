import { expect, test } from "vitest";
import { at, NOON, restoreOf, runOf } from "../fixtures.ts";
import { oneShotDisplay } from "./display.ts";

type Status = Parameters<typeof oneShotDisplay>[1];

const MiB = 1024 * 1024;
const snapshot = (id: string, dataAddedBytes: number) => ({ id, source: "files", dataAddedBytes });
const times = { startTime: at(NOON), completionTime: at(NOON + 754_000) };

test.each<[string, Status, string | undefined]>([
  [
    "a backup says what it added and how long it took",
    { phase: "Succeeded", snapshots: [snapshot("a", 1.25 * 1024 * MiB)], ...times },
    "1.3 GiB in 12m",
  ],
  [
    "several snapshots are added up",
    { phase: "Succeeded", snapshots: [snapshot("a", MiB), snapshot("b", 2 * MiB)], ...times },
    "3 MiB in 12m",
  ],
  [
    "a backup of what has not changed says that there is no snapshot",
    { phase: "Succeeded", ...times },
    "no snapshot in 12m",
  ],
  [
    "a snapshot without a file says so, whatever it added",
    { phase: "Succeeded", snapshots: [{ ...snapshot("a", 1024), totalFiles: 0 }], ...times },
    "0 files in 12m",
  ],
  ["a restore says what it wrote", { phase: "Succeeded", restored: { files: 3, bytes: 0 }, ...times }, "0 B in 12m"],
  ["without times there is only the size", { phase: "Succeeded", snapshots: [snapshot("a", 5)] }, "5 B"],
  [
    "what runs says how far it is",
    { phase: "Running", reason: "Running", progress: { percent: 42, secondsRemaining: 300 } },
    "42%, 5m left",
  ],
  [
    "before restic knows how long it takes, only how far",
    { phase: "Running", reason: "Running", progress: { percent: 42 } },
    "42%",
  ],
  ["before restic knows anything, where it is", { phase: "Running", reason: "Running", progress: {} }, "on web-1"],
  [
    "what runs and has trouble says which",
    { phase: "Running", reason: "RepositoryUnreachable", progress: { percent: 42 } },
    "RepositoryUnreachable",
  ],
  ["what waits says for what", { phase: "Pending", reason: "HostOffline" }, "HostOffline"],
  ["what failed says why", { phase: "Failed", reason: "WrongPassword", ...times }, "WrongPassword"],
  ["what only repeats the phase is left out", { phase: "Cancelled", reason: "Cancelled" }, undefined],
  ["what waits for its turn says where", { phase: "Queued", reason: "Queued" }, "on web-1"],
  ["what was just created says where it goes", { phase: "Pending" }, "on web-1"],
])("%s", (_, status, want) => expect(oneShotDisplay(runOf("r").spec, status).display?.result).toBe(want));

test.each<[string, Parameters<typeof restoreOf>[1], string]>([
  ["a restore says where it goes", { status: { phase: "Pending" } }, "on web-1"],
  [
    "a long name is cut to what fits",
    { spec: { target: { hostRef: "h".repeat(63), path: "/x" } }, status: { phase: "Pending" } },
    `on ${"h".repeat(20)}…`,
  ],
  [
    "files that were kept are told",
    { status: { phase: "Succeeded", restored: { bytes: 0, filesSkipped: 800 }, ...times } },
    "0 B, 800 kept in 12m",
  ],
  [
    "the time gives way to what counts",
    { status: { phase: "Succeeded", restored: { bytes: 1023 * MiB, filesSkipped: 20_075 }, ...times } },
    "1023 MiB, 20075 kept",
  ],
  [
    "a dry run is never shown as the real one",
    { spec: { dryRun: true }, status: { phase: "Succeeded", restored: { bytes: 54 * MiB }, ...times } },
    "dry run: 54 MiB in 12m",
  ],
])("%s", (_, parts, want) => {
  const { spec, status } = restoreOf("r", parts);
  expect(oneShotDisplay(spec, status ?? {}).display?.result).toBe(want);
});

test("a dry run of a backup says that it is one", () => {
  const { spec } = runOf("r", { spec: { overrides: { dryRun: true } } });
  expect(oneShotDisplay(spec, { phase: "Succeeded", ...times }).display?.result).toBe("dry run in 12m");
});

test("of a snapshot's 64 digits 8 are shown", () => {
  const id = "0123456789abcdef".repeat(4);
  const run: Status = { phase: "Succeeded", snapshots: [snapshot(id, 5)] };
  expect(oneShotDisplay(runOf("r").spec, run).display?.snapshot).toBe("01234567");
  const restore = { phase: "Failed", reason: "Timeout", snapshotID: id } as const;
  expect(oneShotDisplay(restoreOf("r").spec, restore).display).toEqual({ result: "Timeout", snapshot: "01234567" });
});
