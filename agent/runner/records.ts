import type { CancelCommand } from "#protocol/command.ts";
import type { Reason } from "#protocol/outcome.ts";
import type { Progress, Record, RestoreRecord, RunRecord, TaskRecord } from "#protocol/record.ts";
import type { ProgressReport } from "../link/core.ts";
import type { JournalRun } from "../state/journal.ts";
import type { BackupEnd, BackupSpec } from "./backup.ts";
import type { InitEnd, InitSpec } from "./init.ts";
import type { RestoreEnd, RestoreSpec } from "./restore.ts";

/** A run of the journal with its spec in its own type: written by this agent, so it needs no validation. */
export type Job =
  | (JournalRun & { kind: "run"; spec: BackupSpec })
  | (JournalRun & { kind: "restore"; spec: RestoreSpec })
  | (JournalRun & { kind: "task"; spec: InitSpec });

export function jobOf(run: JournalRun): Job {
  return run as Job;
}

export type End = BackupEnd | RestoreEnd | InitEnd;

/** RFC 3339 in UTC. */
export const iso = (ms: number) => new Date(ms).toISOString();

/** Where a job stands, in the words that records and progress reports share. */
export interface Standing {
  attempt: number;
  phase: "Queued" | "Running";
  reason: "Queued" | "Running" | Reason;
  message: string;
  started?: number;
  progress?: Progress;
}

export function progressReport(job: JournalRun, standing: Standing): ProgressReport {
  const { started, progress, ...rest } = standing;
  return {
    kind: job.kind,
    uid: job.uid,
    name: job.name,
    ...rest,
    ...(started === undefined ? {} : { startTime: iso(started) }),
    ...(progress === undefined ? {} : { progress }),
  };
}

/** The record of a run or restore that is under way. */
export function runningRecord(
  job: Exclude<Job, { kind: "task" }>,
  standing: Standing,
  more: { snapshotID?: string; nextScheduleTime?: string },
): RunRecord | RestoreRecord {
  const { started, progress, ...rest } = standing;
  const common = {
    uid: job.uid,
    name: job.name,
    ...rest,
    ...(started === undefined ? {} : { startTime: iso(started) }),
    ...(progress === undefined ? {} : { progress }),
  };
  if (job.kind === "restore") {
    return { kind: "restore", ...common, ...(more.snapshotID === undefined ? {} : { snapshotID: more.snapshotID }) };
  }
  return { kind: "run", ...common, ...runFields(job.spec, more.nextScheduleTime), snapshots: [] };
}

/** The record of a job that has ended; `attempt` is 0 where nothing was tried. */
export function finalRecord(
  job: Job,
  end: End,
  at: { attempt: number; started?: number; finished: number; logTail?: string; nextScheduleTime?: string },
): Record {
  const { phase, reason, message, exitCode } = end;
  const common = {
    uid: job.uid,
    name: job.name,
    attempt: at.attempt,
    phase,
    reason,
    message,
    ...(at.started === undefined ? {} : { startTime: iso(at.started) }),
    completionTime: iso(at.finished),
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(at.logTail === undefined || at.logTail === "" ? {} : { logTail: at.logTail }),
  };
  switch (job.kind) {
    case "run": {
      const { snapshots, unreadFiles } = end as BackupEnd;
      const fields = runFields(job.spec, at.nextScheduleTime);
      return {
        kind: "run",
        ...common,
        ...fields,
        snapshots: snapshots ?? [],
        ...(unreadFiles === undefined ? {} : { unreadFiles }),
      };
    }
    case "restore": {
      const { snapshotID, restored } = end as RestoreEnd;
      return {
        kind: "restore",
        ...common,
        ...(snapshotID === undefined ? {} : { snapshotID }),
        ...(restored === undefined ? {} : { restored }),
      };
    }
    case "task": {
      const { repositoryID, created } = end as InitEnd;
      const task: TaskRecord = { kind: "task", ...common, action: "Init", repositoryUID: job.spec.repositoryUID };
      return {
        ...task,
        ...(repositoryID === undefined ? {} : { repositoryID }),
        ...(created === undefined ? {} : { created }),
      };
    }
  }
}

/** The record of a slot that was passed over; `next` is when the policy fires again. */
export function skippedRecord(
  run: { uid: string; name: string; spec: BackupSpec },
  now: number,
  message: string,
  next: number | undefined,
): RunRecord {
  const fields = runFields(run.spec, next === undefined ? undefined : iso(next));
  return {
    kind: "run",
    ...unstarted(run, now),
    phase: "Skipped",
    reason: "Overlap",
    message,
    ...fields,
    snapshots: [],
  };
}

/** The record of a run or restore whose cancellation arrived before its command. */
export function cancelledRecord(
  subject: CancelCommand["subject"],
  now: number,
  policyName: string | undefined,
): RunRecord | RestoreRecord {
  const ended = { phase: "Cancelled", reason: "Cancelled", message: "cancelled before its start" } as const;
  if (subject.kind === "restore") return { kind: "restore", ...unstarted(subject, now), ...ended };
  const policy = { uid: subject.policyUID ?? "unknown", name: policyName ?? "unknown" };
  return { kind: "run", ...unstarted(subject, now), ...ended, policy, trigger: "Manual", snapshots: [] };
}

function unstarted({ uid, name }: { uid: string; name: string }, now: number) {
  return { uid, name, attempt: 0, completionTime: iso(now) };
}

function runFields(spec: BackupSpec, nextScheduleTime: string | undefined) {
  const { policy } = spec;
  return {
    policy: { uid: policy.uid, name: policy.name },
    trigger: spec.trigger,
    ...(spec.scheduledTime === undefined ? {} : { scheduledTime: spec.scheduledTime }),
    effective: { configID: spec.configID, paths: policy.files.paths, repository: policy.repository },
    ...(spec.overrides.dryRun === undefined ? {} : { dryRun: spec.overrides.dryRun }),
    ...(nextScheduleTime === undefined ? {} : { nextScheduleTime }),
  };
}
