import { z } from "zod";
import * as field from "./fields.ts";
import { MAX_PATHS, MAX_SNAPSHOTS } from "./limits.ts";
import { PHASES } from "./outcome.ts";

/**
 * Records are what must never be lost: the agent keeps each in its outbox until the operator has acknowledged it, which
 * means "written to Kubernetes". Each carries the subject's whole state, never a delta, so that a later one supersedes an
 * earlier one and a repeat does no harm: idempotency is (uid, attempt, phase).
 */
export const snapshot = z.object({
  id: field.resticID,
  /** `files`, or the dump's name. */
  source: z.string().min(1).max(63),
  filesNew: field.count,
  filesChanged: field.count,
  filesUnmodified: field.count,
  totalFiles: field.count,
  totalBytes: field.count,
  dataAddedBytes: field.count,
});
export type Snapshot = z.infer<typeof snapshot>;

export const progress = z.object({
  /** 0 to 100. */
  percent: z.number().min(0).max(100).optional(),
  filesDone: field.count.optional(),
  totalFiles: field.count.optional(),
  bytesDone: field.count.optional(),
  totalBytes: field.count.optional(),
  secondsRemaining: field.count.optional(),
  errors: field.count.optional(),
  currentFile: z.string().max(1024).optional(),
});
export type Progress = z.infer<typeof progress>;

const outcome = {
  uid: field.uid,
  name: field.name,
  /** 1 for the first try; 0 where nothing was tried. */
  attempt: z.int().min(0).max(100),
  phase: z.enum(PHASES),
  reason: field.reason,
  message: field.message,
  startTime: field.time.optional(),
  completionTime: field.time.optional(),
  exitCode: z.int().optional(),
  logTail: field.logTail.optional(),
};

export const runRecord = z.object({
  kind: z.literal("run"),
  ...outcome,
  policy: z.object({ uid: field.uid, name: field.name }),
  trigger: z.enum(["Manual", "Schedule", "CatchUp"]),
  /** The slot; absent for manual runs. */
  scheduledTime: field.time.optional(),
  /** Frozen when the run was queued. */
  effective: z
    .object({ configID: field.digest, paths: z.array(field.path).max(MAX_PATHS), repository: field.name })
    .optional(),
  dryRun: z.boolean().optional(),
  snapshots: z.array(snapshot).max(MAX_SNAPSHOTS),
  unreadFiles: z.object({ count: field.count, first: z.array(z.string().max(1024)).max(10) }).optional(),
  progress: progress.optional(),
  /** When the policy fires next on this host, for status; absent without a schedule. */
  nextScheduleTime: field.time.optional(),
});
export type RunRecord = z.infer<typeof runRecord>;

export const restoreRecord = z.object({
  kind: z.literal("restore"),
  ...outcome,
  snapshotID: field.resticID.optional(),
  restored: z
    .object({
      files: field.count,
      filesSkipped: field.count,
      bytes: field.count,
      bytesSkipped: field.count,
      errors: field.count,
    })
    .optional(),
  progress: progress.optional(),
});
export type RestoreRecord = z.infer<typeof restoreRecord>;

export const taskRecord = z.object({
  kind: z.literal("task"),
  ...outcome,
  action: z.literal("Init"),
  /** The Repository's UID: `uid` is the command's id, one a try. */
  repositoryUID: field.uid,
  repositoryID: field.resticID.optional(),
  /** True where this task made the repository. */
  created: z.boolean().optional(),
});
export type TaskRecord = z.infer<typeof taskRecord>;

export const record = z.discriminatedUnion("kind", [runRecord, restoreRecord, taskRecord]);
export type Record = z.infer<typeof record>;
