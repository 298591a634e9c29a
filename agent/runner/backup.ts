import type { RunCommand } from "#protocol/command.ts";
import type { PolicyPlan } from "#protocol/config.ts";
import type { Limits } from "#protocol/fields.ts";
import { rootTag, snapshotTags } from "#protocol/names.ts";
import type { Snapshot } from "#protocol/record.ts";
import { backupArgv, catConfigArgv, smallest, snapshotsArgv } from "./argv.ts";
import { type Attempt, type Machine, stoppedVerdict, stopReason } from "./attempt.ts";
import type { Verdict } from "./classify.ts";
import { openRestic, type Restic } from "./restic.ts";
import type { OpenAccess } from "./secrets.ts";
import { parseSnapshots } from "./snapshots.ts";
import { checkSource, checkSources } from "./sources.ts";

/** A backup as it was frozen when it was queued. No secrets: they lie sealed beside it. */
export interface BackupSpec {
  policy: PolicyPlan;
  host: { namespace: string; name: string };
  clusterID: string;
  configID: string;
  hostLimits: Limits;
  trigger: "Manual" | "Schedule" | "CatchUp";
  /** RFC 3339; absent for manual runs. */
  scheduledTime?: string;
  overrides: RunCommand["overrides"];
}

export interface BackupEnd extends Verdict {
  exitCode?: number;
  snapshots: Snapshot[];
  unreadFiles?: { count: number; first: string[] };
}

/** The source that files.paths make; dumps have names of their own. */
const SOURCE = "files";
const STEP = "backup";

export async function backup(
  machine: Machine,
  attempt: Attempt,
  spec: BackupSpec,
  access: OpenAccess | undefined,
): Promise<BackupEnd> {
  const { policy } = spec;
  const restic = openRestic(machine, attempt, access);
  const adopted = attempt.steps.length > 0;
  if (!adopted) {
    for (const path of policy.files.paths) checkSource(machine.rules, path, machine.ownFolders, machine.paths);
    const problem = (await checkSources(policy.files, machine.paths)) ?? (await restic.unreachable());
    if (problem !== undefined) return { phase: "Failed", ...problem, snapshots: [] };
  }

  const tags = snapshotTags({
    clusterID: spec.clusterID,
    namespace: spec.host.namespace,
    policy: policy.name,
    source: SOURCE,
    runID: attempt.uid,
  });
  const root = machine.paths.root === "" ? [] : [rootTag(machine.paths.root)];
  const identity = checkIdentity(restic, attempt, access);
  // Awaited below; until then a failure here must not count as unhandled.
  identity.catch(() => {});
  const { code, seen } = await restic.step(STEP, () =>
    backupArgv({
      policy,
      paths: machine.paths,
      host: spec.host.name,
      tags: [...tags, ...root, ...policy.tags, ...(spec.overrides.tags ?? [])],
      limits: smallest(spec.hostLimits, policy.limits, spec.overrides.limits),
      remainingMs: attempt.remainingMs(),
      dryRun: spec.overrides.dryRun === true,
      ownFolders: machine.ownFolders.map(machine.paths.toRestic),
    }),
  );
  const found = await identity;
  if (stopReason(attempt) === "RepositoryMismatch") {
    return {
      phase: "Failed",
      reason: "RepositoryMismatch",
      message: mismatch(access!, found),
      ...(code === undefined ? {} : { exitCode: code }),
      snapshots: [],
    };
  }
  if (code === undefined) return saved(access === undefined ? undefined : restic, attempt, spec);

  const snapshot = seen.summary?.snapshotID;
  const verdict = restic.verdict({ code, seen }, access === undefined || access.repositoryID !== undefined);
  const message =
    verdict.phase === "Succeeded" && snapshot === undefined
      ? "nothing has changed since the last snapshot"
      : verdict.message;
  return {
    ...verdict,
    message,
    exitCode: code,
    snapshots:
      snapshot === undefined || seen.summary!.dryRun
        ? []
        : [{ id: snapshot, source: SOURCE, ...numbers(seen.summary!) }],
    ...(seen.failedFiles.count === 0 ? {} : { unreadFiles: seen.failedFiles }),
  };
}

/**
 * Compares the repository's own id beside the backup, so that it costs no time. Another repository at this address stops
 * the backup; what cannot be found out here, restic's own exit tells.
 */
async function checkIdentity(
  restic: Restic,
  attempt: Attempt,
  access: OpenAccess | undefined,
): Promise<string | undefined> {
  if (access?.repositoryID === undefined) return undefined;
  const found = repositoryID((await restic.ask(catConfigArgv)).stdout);
  if (found !== undefined && found !== access.repositoryID) attempt.requestStop("RepositoryMismatch");
  return found;
}

/** The id in the answer to `cat config`. */
export function repositoryID(text: string): string | undefined {
  return /"id":\s*"([0-9a-f]{64})"/.exec(text)?.[1];
}

export function mismatch(access: OpenAccess, found: string | undefined): string {
  return (
    `the repository answers with id ${found}, but ${access.repositoryID} is recorded: another repository is at this address. ` +
    "If that is meant, delete the Repository resource and create it again"
  );
}

/**
 * restic is gone and nobody saw how: the repository knows whether it had saved its snapshot. `restic` is undefined where
 * there is no access to the repository any more.
 */
async function saved(restic: Restic | undefined, attempt: Attempt, spec: BackupSpec): Promise<BackupEnd> {
  const answer = await restic?.ask(snapshotsArgv({ host: spec.host.name, tags: [`run=${attempt.uid}`] }));
  const [snapshot] = answer?.code === 0 ? parseSnapshots(answer.stdout) : [];
  if (snapshot === undefined) {
    const stopped = stoppedVerdict(attempt);
    if (stopped !== undefined) return { ...stopped, snapshots: [] };
    const message = "agent and restic ended in the middle of the backup (a crash, a kill, a reboot)";
    return { phase: "Failed", reason: "Interrupted", message, snapshots: [] };
  }
  const none = { filesNew: 0, filesChanged: 0, filesUnmodified: 0, totalFiles: 0, totalBytes: 0, dataAddedBytes: 0 };
  return {
    phase: "Succeeded",
    reason: "Completed",
    message: "the agent was away when restic ended; the repository holds the snapshot of this run",
    snapshots: [{ id: snapshot.id, source: SOURCE, ...(snapshot.summary ?? none) }],
  };
}

function numbers(summary: Omit<Snapshot, "id" | "source">): Omit<Snapshot, "id" | "source"> {
  const { filesNew, filesChanged, filesUnmodified, totalFiles, totalBytes, dataAddedBytes } = summary;
  return { filesNew, filesChanged, filesUnmodified, totalFiles, totalBytes, dataAddedBytes };
}
