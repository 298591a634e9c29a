import type { BackupPolicy } from "#crds/backuppolicy.ts";
import type { BackupRun } from "#crds/backuprun.ts";
import type { Restore } from "#crds/restore.ts";
import type { SnapshotSelector } from "#protocol/command.ts";
import type { RepositoryAccess } from "#protocol/config.ts";
import { snapshotTags } from "#protocol/names.ts";
import { isTerminal } from "#protocol/outcome.ts";
import { milliseconds } from "../controllers/duration.ts";
import type { PendingCommand } from "./ports.ts";

/** Counted by the agent from receipt, and repeated in each session, so that it need not outlast one. */
const TASK_TTL_MS = 60_000;
const CANCEL_TTL_MS = 3_600_000;

export interface CommandInputs {
  readonly clusterID: string;
  /** Runs of this host that have not ended, of any trigger. */
  readonly runs: readonly { readonly run: BackupRun; readonly policy: BackupPolicy | undefined }[];
  /** UIDs of the policies the configuration says how to carry out and whose Repository is ready. */
  readonly startable: ReadonlySet<string>;
  /** Restores to this host that have not ended; `access` only where their Repository is ready. */
  readonly restores: readonly { readonly restore: Restore; readonly access: RepositoryAccess | undefined }[];
  /** Repositories this host is to open now, each under the id of the present try. */
  readonly openings: readonly {
    readonly id: string;
    readonly access: RepositoryAccess;
    readonly initialize: boolean;
  }[];
  /** Wall time in milliseconds. */
  readonly now: number;
}

/** What the host is to do once, now. Only what no agent has reported on is asked for; cancelling, until it has ended. */
export function commandsFor({ clusterID, runs, startable, restores, openings, now }: CommandInputs): PendingCommand[] {
  return [
    ...openings.map(openingOf),
    ...runs.flatMap(({ run, policy }) => runCommands(run, policy, startable, now)),
    ...restores.flatMap(({ restore, access }) => restoreCommands(restore, access, clusterID, now)),
  ];
}

function openingOf({ id, access, initialize }: CommandInputs["openings"][number]): PendingCommand {
  // A repository whose id is known has been there: it is never made again, whatever has become of it.
  const create = initialize && access.repositoryID === undefined;
  return { type: "task", action: "Init", id, ttlMs: TASK_TTL_MS, repository: access, create };
}

function runCommands(
  run: BackupRun,
  policy: BackupPolicy | undefined,
  startable: ReadonlySet<string>,
  now: number,
): PendingCommand[] {
  const { metadata, spec, status } = run;
  if (isTerminal(status?.phase)) return [];
  const manual = spec.trigger === undefined || spec.trigger === "Manual";
  if (spec.cancel === true) {
    // The agent knows a scheduled run by its runID.
    const uid = manual ? metadata.uid : (spec.runID ?? metadata.uid);
    const subject = {
      kind: "run",
      uid,
      name: metadata.name,
      ...(policy && { policyUID: policy.metadata.uid }),
    } as const;
    return [{ type: "cancel", id: `cancel:${uid}`, ttlMs: CANCEL_TTL_MS, subject }];
  }
  const ttlMs = timeLeft(run, now);
  if (!manual || isWithAgent(status?.phase) || ttlMs === 0) return [];
  if (policy === undefined || !startable.has(policy.metadata.uid)) return [];
  const { limits, tags, dryRun } = spec.overrides ?? {};
  const overrides = { ...(limits && { limits }), ...(tags && { tags }), ...(dryRun !== undefined && { dryRun }) };
  const { uid, name } = metadata;
  return [{ type: "run", id: uid, name, policyUID: policy.metadata.uid, overrides, ttlMs }];
}

function restoreCommands(
  restore: Restore,
  access: RepositoryAccess | undefined,
  clusterID: string,
  now: number,
): PendingCommand[] {
  const { metadata, spec, status } = restore;
  if (isTerminal(status?.phase)) return [];
  const { uid, name } = metadata;
  if (spec.cancel === true) {
    return [{ type: "cancel", id: `cancel:${uid}`, ttlMs: CANCEL_TTL_MS, subject: { kind: "restore", uid, name } }];
  }
  const ttlMs = timeLeft(restore, now);
  if (access === undefined || isWithAgent(status?.phase) || ttlMs === 0) return [];
  return [
    {
      type: "restore",
      id: uid,
      name,
      ttlMs,
      repository: access,
      snapshot: selectorOf(restore, clusterID),
      target: { path: spec.target.path },
      include: spec.include ?? [],
      exclude: spec.exclude ?? [],
      pathMapping: spec.pathMapping ?? [],
      overwrite: spec.overwrite ?? "Never",
      verify: spec.verify === true,
      dryRun: spec.dryRun === true,
      timeoutMs: milliseconds(spec.timeout ?? "24h"),
      limits: spec.limits ?? {},
    },
  ];
}

/** `latest` is the newest of one source of one policy on one host: what belongs together by its tags. */
function selectorOf({ spec, metadata }: Restore, clusterID: string): SnapshotSelector {
  const { snapshot = "latest", hostName, policy = "", source = "files", before } = spec.source;
  if (snapshot !== "latest") return { id: snapshot };
  const tags = snapshotTags({ clusterID, namespace: metadata.namespace ?? "", policy, source });
  const host = hostName ?? spec.target.hostRef;
  return { latest: true, host, tags, ...(before !== undefined && { before: instantOf(before) }) };
}

/** In one of the ways to write a time, which the API server takes more of than the wire. */
function instantOf(time: string): string {
  const ms = Date.parse(time);
  return Number.isNaN(ms) ? time : new Date(ms).toISOString();
}

/** The agent has journaled it, and a repeat could only start it twice on a machine that lost its journal. */
function isWithAgent(phase: string | undefined): boolean {
  return phase !== undefined && phase !== "Pending";
}

/** Until it may no longer start, 0 when that is over. */
function timeLeft({ metadata, spec }: BackupRun | Restore, now: number): number {
  const created = Date.parse(metadata.creationTimestamp ?? "") || 0;
  return Math.max(0, created + (spec.startingDeadlineSeconds ?? 3600) * 1000 - now);
}
