import { expect, test } from "vitest";
import type { BackupRun } from "#crds/backuprun.ts";
import type { Restore } from "#crds/restore.ts";
import { runRecord } from "#protocol/fixtures.ts";
import type { RestoreRecord, RunRecord } from "#protocol/record.ts";
import { leastStatus, restoreStatus, runStatus, withProgress } from "./one-shot-status.ts";

const NOW = Date.parse("2026-11-21T12:00:30Z");
const id = "a".repeat(64);

const run: BackupRun = {
  apiVersion: "holdfast.dev/v1alpha1",
  kind: "BackupRun",
  metadata: { name: "r", namespace: "n", uid: "u", resourceVersion: "1", generation: 1 },
  spec: { policyRef: "p", hostRef: "h" },
  status: { phase: "Pending" },
};

const record = (more: Partial<RunRecord> = {}) =>
  runRecord({ uid: "u", name: "r", message: "saved", policy: { uid: "p", name: "p" }, ...more });

test("an ended run says how in phase and conditions, times in whole seconds, and drops its progress", () => {
  const status = runStatus(
    run,
    record({
      startTime: "2026-11-21T12:00:00.999Z",
      completionTime: "2026-11-21T13:00:00.5+01:00",
      exitCode: 0,
      progress: { percent: 99.9 },
    }),
    NOW,
  );
  expect(status).toEqual({
    phase: "Succeeded",
    reason: "Completed",
    message: "saved",
    attempts: 1,
    observedGeneration: 1,
    startTime: "2026-11-21T12:00:00Z",
    completionTime: "2026-11-21T12:00:00Z",
    exitCode: 0,
    display: { result: "no snapshot in 0s" },
    conditions: [
      {
        type: "Ready",
        status: "True",
        reason: "Completed",
        message: "saved",
        observedGeneration: 1,
        lastTransitionTime: "2026-11-21T12:00:30Z",
      },
    ],
  });
});

test("what hosts write cannot act on a terminal", () => {
  const status = runStatus(run, record({ message: "a\u001b[31mb\nc", logTail: "x\u001b]0;title\u0007y\n" }), NOW);
  expect(status.message).toBe("ab c");
  expect(status.logTail).toBe("xy\n");
});

test("a status with everything at its bound is cut to fit, the outcome is not", () => {
  const status = runStatus(
    run,
    record({
      phase: "PartiallyFailed",
      message: "m".repeat(1024),
      logTail: `${"log line\n".repeat(220)}`,
      effective: {
        configID: id,
        repository: "offsite",
        paths: Array.from({ length: 256 }, (_, n) => `/${n}${"p".repeat(4000)}`),
      },
      unreadFiles: { count: 9999, first: Array.from({ length: 10 }, () => `/${"f".repeat(1000)}`) },
      snapshots: [
        {
          id,
          source: "files",
          filesNew: 1,
          filesChanged: 1,
          filesUnmodified: 1,
          totalFiles: 3,
          totalBytes: 9,
          dataAddedBytes: 9,
        },
      ],
    }),
    NOW,
  );
  expect(JSON.stringify(status).length).toBeLessThan(3_300);
  expect(status.snapshots).toHaveLength(1);
  expect(status.unreadFiles?.count).toBe(9999);
  expect(status.logTail).toMatch(/log line\n$/);
});

test("the least of a result is how it ended", () => {
  const least = leastStatus(
    run,
    record({ phase: "Failed", reason: "ResticFailed", message: "m".repeat(900), logTail: "x" }),
    NOW,
  );
  expect(least).toMatchObject({ phase: "Failed", reason: "ResticFailed", attempts: 1 });
  expect(least.message).toHaveLength(256);
  expect(least).not.toHaveProperty("logTail");
});

test("the least of a success does not say that there is no snapshot", () => {
  const files = { filesNew: 1, filesChanged: 0, filesUnmodified: 0, totalFiles: 1 };
  const saved = record({ snapshots: [{ id, source: "files", ...files, totalBytes: 5, dataAddedBytes: 5 }] });
  expect(runStatus(run, saved, NOW).display).toEqual({ result: "5 B", snapshot: "aaaaaaaa" });
  expect(leastStatus(run, saved, NOW)).not.toHaveProperty("display");
});

test("progress leaves standing what it does not speak of", () => {
  const standing: BackupRun = { ...run, status: { phase: "Queued", logTail: "of the first attempt", attempts: 1 } };
  const frame = {
    type: "progress",
    kind: "run",
    uid: "u",
    name: "r",
    attempt: 2,
    phase: "Running",
    reason: "Running",
    message: "",
  } as const;
  const status = withProgress(standing, { ...frame, progress: { percent: 12.7, currentFile: "/a\u001b[2Jb" } }, NOW);
  expect(status).toMatchObject({
    phase: "Running",
    attempts: 2,
    logTail: "of the first attempt",
    progress: { percent: 12, currentFile: "/ab" },
    display: { result: "12%" },
  });
});

test("100 % is not shown before the end", () => {
  const status = runStatus(run, record({ phase: "Running", reason: "Running", progress: { percent: 100 } }), NOW);
  expect(status.progress).toEqual({ percent: 99 });
});

test("a restore says what it brought back", () => {
  const restore: Restore = {
    apiVersion: "holdfast.dev/v1alpha1",
    kind: "Restore",
    metadata: run.metadata,
    spec: { source: { repository: "offsite" }, target: { hostRef: "h", path: "/x" } },
  };
  const restored = { files: 5, filesSkipped: 0, bytes: 50, bytesSkipped: 0, errors: 0 };
  const ended: RestoreRecord = {
    kind: "restore",
    uid: "u",
    name: "r",
    attempt: 1,
    phase: "Failed",
    reason: "TargetInvalid",
    message: "no",
    snapshotID: id,
    restored,
  };
  const status = restoreStatus(restore, ended, NOW);
  expect(status).toMatchObject({
    phase: "Failed",
    snapshotID: id,
    restored,
    display: { result: "TargetInvalid", snapshot: "aaaaaaaa" },
  });
  expect(status.conditions?.map(({ type, status }) => `${type}=${status}`)).toEqual(["Ready=False", "Stalled=True"]);
});
