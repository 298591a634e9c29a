import { sizeText } from "#base/units.ts";
import type { RunCommand } from "#protocol/command.ts";
import type { PolicyPlan } from "#protocol/config.ts";
import type { Limits } from "#protocol/fields.ts";
import { rootTag, snapshotTags } from "#protocol/names.ts";
import type { Snapshot } from "#protocol/record.ts";
import { line } from "#protocol/text.ts";
import { backupArgv, smallest, snapshotsArgv } from "./argv.ts";
import { type Attempt, type Machine, stoppedVerdict } from "./attempt.ts";
import type { Verdict } from "./classify.ts";
import type { Summary } from "./lines.ts";
import { identityProblem, mismatch, stranger } from "./repository-identity.ts";
import { openRestic, type Restic, repeat } from "./restic.ts";
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
/** How soon another repository at the address is noticed. */
const IDENTITY_CHECK_MS = 1_000;

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
    // The attempt before may have saved, though the repository could not be asked then.
    const before = attempt.attempt > 1 ? await saved(restic, access, attempt, spec) : undefined;
    if (before !== undefined && before.reason !== "Interrupted") return before;
  }

  const tags = snapshotTags({
    clusterID: spec.clusterID,
    namespace: spec.host.namespace,
    policy: policy.name,
    source: SOURCE,
    runID: attempt.uid,
  });
  const root = machine.paths.root === "" ? [] : [rootTag(machine.paths.root)];
  // What is at the address is not the repository that was meant: the sooner restic ends, the less of the data is there.
  const cancelWatch = repeat(machine.clock, IDENTITY_CHECK_MS, async () => {
    if (stranger(restic, access) !== undefined) attempt.requestStop("RepositoryMismatch");
  });
  const { code, seen } = await restic
    .step(STEP, () =>
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
    )
    .finally(cancelWatch);
  const exitCode = code === undefined ? {} : { exitCode: code };
  const other = stranger(restic, access);
  if (other !== undefined) return { ...mismatch(access!, other), ...exitCode, snapshots: [] };
  if (code === undefined) return saved(restic, access, attempt, spec);

  const snapshot = seen.summary?.snapshotID;
  const verdict = restic.verdict({ code, seen }, access === undefined || access.repositoryID !== undefined);
  if (verdict.reason === "Interrupted") {
    // Killed, but maybe not before it had saved.
    return { ...(await saved(restic, access, attempt, spec, verdict)), exitCode: code };
  }
  if (access !== undefined && (code === 0 || code === 3)) {
    const problem = await identityProblem(restic, access);
    if (problem?.reason === "RepositoryMismatch") return { ...problem, exitCode: code, snapshots: [] };
    if (problem !== undefined) {
      const message = line(`restic ended, but the repository does not say which one it is: ${problem.message}`);
      return { ...problem, message, exitCode: code, snapshots: [] };
    }
  }
  return {
    ...verdict,
    message:
      verdict.phase === "Succeeded" ? doneMessage(seen.summary, spec.overrides.dryRun === true) : verdict.message,
    exitCode: code,
    snapshots:
      snapshot === undefined || seen.summary!.dryRun
        ? []
        : [{ id: snapshot, source: SOURCE, ...numbers(seen.summary!) }],
    ...(seen.failedFiles.count === 0 ? {} : { unreadFiles: seen.failedFiles }),
  };
}

/** Empty where the snapshot's numbers say all. */
function doneMessage(summary: Summary | undefined, dryRun: boolean): string {
  if (dryRun) {
    const { totalFiles = 0, dataAddedBytes = 0 } = summary ?? {};
    const files = totalFiles === 1 ? "1 file" : `${totalFiles} files`;
    return `dry run, nothing was saved: ${files}, ${sizeText(dataAddedBytes)} would be added`;
  }
  if (summary?.totalFiles === 0) {
    return "0 files were found: look whether files.paths are empty, or files.exclude leaves out everything";
  }
  return summary?.snapshotID === undefined ? "nothing has changed since the last snapshot" : "";
}

const UNSEEN: Verdict = {
  phase: "Failed",
  reason: "Interrupted",
  message: "agent and restic ended in the middle of the backup (a crash, a kill, a reboot)",
};

/**
 * restic is gone and did not say how far it came: the repository knows whether it had saved its snapshot; if not,
 * `interrupted` holds. `access` is undefined where there is no access to the repository any more.
 */
async function saved(
  restic: Restic,
  access: OpenAccess | undefined,
  attempt: Attempt,
  spec: BackupSpec,
  interrupted: Verdict = UNSEEN,
): Promise<BackupEnd> {
  const unknown = () => ({ ...(stoppedVerdict(attempt) ?? interrupted), snapshots: [] });
  if (access === undefined) return unknown();
  const answer = await restic.ask(snapshotsArgv({ host: spec.host.name, tags: [`run=${attempt.uid}`] }));
  if (answer.code !== 0) return unknown();
  const problem = await identityProblem(restic, access);
  if (problem !== undefined) return { ...problem, snapshots: [] };
  const [snapshot] = parseSnapshots(answer.stdout);
  if (snapshot === undefined) return unknown();
  const none = { filesNew: 0, filesChanged: 0, filesUnmodified: 0, totalFiles: 0, totalBytes: 0, dataAddedBytes: 0 };
  return {
    phase: "Succeeded",
    reason: "Completed",
    message: "nobody saw how restic ended, but the repository holds the snapshot of this run",
    snapshots: [{ id: snapshot.id, source: SOURCE, ...(snapshot.summary ?? none) }],
  };
}

function numbers(summary: Omit<Snapshot, "id" | "source">): Omit<Snapshot, "id" | "source"> {
  const { filesNew, filesChanged, filesUnmodified, totalFiles, totalBytes, dataAddedBytes } = summary;
  return { filesNew, filesChanged, filesUnmodified, totalFiles, totalBytes, dataAddedBytes };
}
