import type { BackupRun } from "#crds/backuprun.ts";
import type { Restore } from "#crds/restore.ts";
import type { ProgressFrame } from "#protocol/frames.ts";
import { MAX_LOG_TAIL_BYTES, MAX_MESSAGE_LENGTH } from "#protocol/limits.ts";
import { isTerminal } from "#protocol/outcome.ts";
import type { Progress, Record, RestoreRecord, RunRecord } from "#protocol/record.ts";
import { line, tail } from "#protocol/text.ts";

import { type OneShotState, oneShotConditions } from "../controllers/one-shot/conditions.ts";
import { oneShotDisplay } from "../controllers/one-shot/display.ts";
import { conditions } from "../kube/conditions.ts";
import { instant } from "./session-status.ts";

/**
 * Pure: the status of a one-shot resource as the agent's record says it, whole, harmless to look at and small: with
 * spec and metadata a BackupRun stays under 4 KB. `now` is wall time in ms.
 */
export type RunStatus = NonNullable<BackupRun["status"]>;
export type RestoreStatus = NonNullable<Restore["status"]>;

/** Of a status in JSON; what metadata and spec take comes on top. */
const MAX_STATUS_BYTES = 3_300;
const MAX_SHOWN_PATHS = 16;
const MAX_SHOWN_LENGTH = 256;

export function runStatus(run: BackupRun, record: RunRecord, now: number): RunStatus {
  const { effective, snapshots, unreadFiles } = record;
  return fitted<ReturnType<typeof outcome> & Shrinkable & Pick<RunStatus, "snapshots" | "display">>({
    ...displayed(run, {
      ...outcome(run, record, now),
      ...(snapshots.length === 0 ? {} : { snapshots: unique(snapshots) }),
    }),
    ...(effective === undefined
      ? {}
      : {
          effective: {
            configID: effective.configID,
            repository: effective.repository,
            paths: effective.paths.slice(0, MAX_SHOWN_PATHS).map((path) => line(path, MAX_SHOWN_LENGTH)),
          },
        }),
    ...(unreadFiles === undefined
      ? {}
      : { unreadFiles: { ...unreadFiles, first: unreadFiles.first.map((path) => line(path, MAX_SHOWN_LENGTH)) } }),
  });
}

export function restoreStatus(restore: Restore, record: RestoreRecord, now: number): RestoreStatus {
  const { snapshotID, restored } = record;
  return fitted<ReturnType<typeof outcome> & Shrinkable & Pick<RestoreStatus, "snapshotID" | "restored" | "display">>({
    ...displayed(restore, {
      ...outcome(restore, record, now),
      ...(restored === undefined ? {} : { restored }),
      ...(snapshotID === undefined ? {} : { snapshotID }),
    }),
  });
}

/** What remains when Kubernetes refuses the whole: how it ended. */
export function leastStatus(object: BackupRun | Restore, record: RunRecord | RestoreRecord, now: number) {
  const { logTail: _, progress: __, ...least } = record;
  const status = outcome(object, { ...least, message: least.message.slice(0, MAX_SHOWN_LENGTH) }, now);
  // What a success came to is not in it.
  return status.phase === "Succeeded" ? status : displayed(object, status);
}

function displayed<T extends Parameters<typeof oneShotDisplay>[1]>({ spec }: BackupRun | Restore, status: T) {
  return { ...status, ...oneShotDisplay(spec, status) };
}

type Outcome = Pick<
  RunRecord,
  "phase" | "reason" | "message" | "attempt" | "startTime" | "completionTime" | "exitCode" | "logTail" | "progress"
>;

function outcome(object: BackupRun | Restore, record: Outcome, now: number) {
  const { phase, reason, startTime, completionTime, exitCode, logTail } = record;
  const message = line(record.message, MAX_MESSAGE_LENGTH);
  const { generation } = object.metadata;
  const progress = isTerminal(phase) ? undefined : record.progress;
  return {
    phase,
    reason,
    message,
    attempts: record.attempt,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    ...(startTime === undefined ? {} : { startTime: instant(Date.parse(startTime)) }),
    ...(completionTime === undefined ? {} : { completionTime: instant(Date.parse(completionTime)) }),
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(logTail === undefined ? {} : { logTail: tail(logTail, MAX_LOG_TAIL_BYTES) }),
    ...(progress === undefined ? {} : { progress: shown(progress) }),
    conditions: oneShot(object, { phase, reason, message }, now),
  };
}

/** status.message has the whole of it; each of the conditions repeats its beginning. */
function oneShot(object: BackupRun | Restore, { phase, reason, message }: OneShotState, now: number) {
  const drafts = oneShotConditions(
    { phase, reason, message: line(message, MAX_SHOWN_LENGTH) },
    object.metadata.generation,
  );
  return conditions(object.status?.conditions, drafts, now);
}

/** The CRD takes whole numbers. restic says 100 % while it still uploads: that is for the end, which shows no progress. */
function shown(progress: Progress): NonNullable<RunStatus["progress"]> {
  const { percent, currentFile, ...counts } = progress;
  return {
    // zod leaves out what is absent.
    ...(counts as NonNullable<RunStatus["progress"]>),
    ...(percent === undefined ? {} : { percent: Math.min(99, Math.floor(percent)) }),
    ...(currentFile === undefined ? {} : { currentFile: line(currentFile, MAX_SHOWN_LENGTH) }),
  };
}

/** The status list is a map by id, and two sources may in theory make one snapshot. */
function unique(snapshots: RunRecord["snapshots"]): RunRecord["snapshots"] {
  return [...new Map(snapshots.map((snapshot) => [snapshot.id, snapshot])).values()];
}

interface Shrinkable {
  logTail?: string;
  unreadFiles?: { count: number; first: string[] };
  effective?: { configID: string; repository: string; paths: string[] };
}

/** Takes away what is least missed, until it fits: it all stands in the agent's log as well. */
function fitted<T extends Shrinkable>(status: T): T {
  const { logTail: log, unreadFiles: unread, effective } = status;
  const shorterLog = (bytes: number) => (log === undefined ? {} : { logTail: tail(log, bytes) });
  const fewerFiles = (count: number) =>
    unread === undefined ? {} : { unreadFiles: { ...unread, first: unread.first.slice(0, count) } };
  const fewerPaths = (count: number) =>
    effective === undefined ? {} : { effective: { ...effective, paths: effective.paths.slice(0, count) } };
  const steps = [
    fewerFiles(3),
    shorterLog(MAX_LOG_TAIL_BYTES / 2),
    fewerPaths(4),
    shorterLog(MAX_LOG_TAIL_BYTES / 8),
    { ...fewerFiles(1), ...fewerPaths(1) },
  ];
  let small = status;
  for (const step of steps) {
    if (Buffer.byteLength(JSON.stringify(small)) <= MAX_STATUS_BYTES) break;
    small = { ...small, ...step };
  }
  return small;
}

/** The status with newer progress in it; what else stands there stays. */
export function withProgress<T extends BackupRun | Restore>(object: T, frame: ProgressFrame, now: number): object {
  const { phase, reason, attempt, startTime, progress } = frame;
  const { generation } = object.metadata;
  const message = line(frame.message, MAX_MESSAGE_LENGTH);
  const { completionTime: _, display: __, ...status } = object.status ?? {};
  return displayed(object, {
    ...status,
    phase,
    reason,
    message,
    attempts: attempt,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    ...(startTime === undefined ? {} : { startTime: instant(Date.parse(startTime)) }),
    ...(progress === undefined ? {} : { progress: shown(progress) }),
    conditions: oneShot(object, { phase, reason, message }, now),
  });
}

/** Kinds of records that speak of a one-shot resource. */
export type OneShotRecord = Exclude<Record, { kind: "task" }>;
