import { z } from "zod";
import { repositoryAccess } from "./config.ts";
import * as field from "./fields.ts";
import { MAX_PATTERNS, MAX_TAGS } from "./limits.ts";

/**
 * Commands: what the operator asks of one agent, once. `id` is the idempotency key; the agent journals it and answers a
 * repeat with the recorded outcome. `ttlMs` counts from receipt on the agent's monotonic clock; a command that could not
 * be admitted by then is answered as expired.
 */
const command = { epoch: field.epoch, id: field.uid, ttlMs: field.durationMs };

/** Run a policy now: a BackupRun with trigger Manual. `id` is the BackupRun's UID, which is also the runID. */
export const runCommand = z.object({
  type: z.literal("run"),
  ...command,
  name: field.name,
  policyUID: field.uid,
  overrides: z.object({
    limits: field.limits.optional(),
    tags: z.array(field.tag).max(MAX_TAGS).optional(),
    dryRun: z.boolean().optional(),
  }),
});
export type RunCommand = z.infer<typeof runCommand>;

/** Which snapshot to restore: an id, or the newest one that has all of `tags` and `host` and is not after `before`. */
export const snapshotSelector = z.union([
  z.object({ id: z.string().regex(/^[0-9a-f]{8,64}$/) }),
  z.object({
    latest: z.literal(true),
    host: field.name.optional(),
    tags: z.array(z.string().min(1).max(512)).min(1).max(MAX_TAGS),
    before: field.time.optional(),
  }),
]);
export type SnapshotSelector = z.infer<typeof snapshotSelector>;

/** A Restore. `id` is its UID. The access to the repository is kept in memory only and never written to disk. */
export const restoreCommand = z.object({
  type: z.literal("restore"),
  ...command,
  name: field.name,
  repository: repositoryAccess,
  snapshot: snapshotSelector,
  target: z.object({ path: field.path }),
  include: z.array(field.argument).max(MAX_PATTERNS),
  exclude: z.array(field.argument).max(MAX_PATTERNS),
  /** Folders of the snapshot that go elsewhere than below target.path. Empty: everything below target.path. */
  pathMapping: z.array(z.object({ from: field.path, to: field.path })).max(64),
  overwrite: z.enum(["Always", "IfChanged", "IfNewer", "Never"]),
  verify: z.boolean(),
  dryRun: z.boolean(),
  timeoutMs: field.durationMs,
  limits: field.limits,
});
export type RestoreCommand = z.infer<typeof restoreCommand>;

/** Work on a repository itself. `Init` opens it and says its id; only where `create` is set may it make a missing one. */
export const taskCommand = z.object({
  type: z.literal("task"),
  ...command,
  action: z.literal("Init"),
  repository: repositoryAccess,
  create: z.boolean(),
});
export type TaskCommand = z.infer<typeof taskCommand>;

/**
 * Stop a run or a restore. `id` is `cancel:<uid>`. An agent that does not know `uid` records it as cancelled before its
 * start, so that a command which is still on its way never begins.
 */
export const cancelCommand = z.object({
  type: z.literal("cancel"),
  ...command,
  subject: z.object({
    kind: z.enum(["run", "restore"]),
    uid: field.uid,
    name: field.name,
    policyUID: field.uid.optional(),
  }),
});
export type CancelCommand = z.infer<typeof cancelCommand>;

export const commandFrames = [runCommand, restoreCommand, taskCommand, cancelCommand] as const;
export type Command = RunCommand | RestoreCommand | TaskCommand | CancelCommand;
