import type { BackupPolicy } from "#crds/backuppolicy.ts";
import type { BackupRun } from "#crds/backuprun.ts";
import type { Host } from "#crds/host.ts";
import { isTerminal } from "#protocol/outcome.ts";
import { selects } from "../selection.ts";

/** A rehearsal is no backup: it says nothing of how these go. */
export function isRehearsal({ spec }: BackupRun): boolean {
  return spec.overrides?.dryRun === true;
}

/** A backup that counts. */
export function isSuccess(run: BackupRun): boolean {
  return run.status?.phase === "Succeeded" && !isRehearsal(run);
}

/** Whether an ended run says something of how the backups go: not a rehearsal, not one that gave way to another. */
export function tells(run: BackupRun): boolean {
  const { phase } = run.status ?? {};
  return isTerminal(phase) && phase !== "Skipped" && !isRehearsal(run);
}

/** How long an ended run that somebody asked for stays to be read, whatever the limits: kubectl wait asks again. */
const ASKED_FOR_KEPT_MS = 3_600_000;
/** So many of those a host, the newest. */
const MOST_ASKED_FOR = 10;

/** When it ended, or was created; milliseconds since 1970. */
export function endOf({ status, metadata }: BackupRun): number {
  return Date.parse(status?.completionTime ?? metadata.creationTimestamp ?? "") || 0;
}

/** Times in a status are whole seconds; of two ends in one second the one that was written later is the newer. */
export function newestFirst(a: BackupRun, b: BackupRun): number {
  const [older, newer] = [BigInt(a.metadata.resourceVersion), BigInt(b.metadata.resourceVersion)];
  return endOf(b) - endOf(a) || Number(newer - older) || (a.metadata.name < b.metadata.name ? 1 : -1);
}

/**
 * The ended runs of a policy beyond its history limits, which are per host: the succeeded ones and all others apart. The
 * newest of a host that tells how its backups go goes only once the Host's own summary has it, because that is then all
 * that remembers it. `afterMs`: from when on there may be more, because only the time since their end keeps some.
 */
export function surplus(
  policy: BackupPolicy,
  runs: readonly BackupRun[],
  host: (name: string) => Host | undefined,
  now: number,
): { readonly over: readonly BackupRun[]; readonly afterMs: number } {
  const { successfulRunsHistoryLimit = 3, failedRunsHistoryLimit = 1 } = policy.spec;
  const byHost = Map.groupBy(
    runs.filter((run) => isTerminal(run.status?.phase) && run.metadata.deletionTimestamp === undefined),
    (run) => run.spec.hostRef,
  );
  const over: BackupRun[] = [];
  let afterMs = Number.POSITIVE_INFINITY;
  for (const [name, ended] of byHost) {
    const sorted = ended.toSorted(newestFirst);
    const beyond = new Set([
      ...sorted.filter(isSuccess).slice(successfulRunsHistoryLimit),
      ...sorted.filter((run) => !isSuccess(run)).slice(failedRunsHistoryLimit),
    ]);
    const newest = sorted.find(tells);
    if (newest !== undefined && !isRemembered(newest, policy, host(name))) beyond.delete(newest);
    for (const run of sorted.filter(({ spec }) => spec.trigger === "Manual").slice(0, MOST_ASKED_FOR)) {
      const wait = endOf(run) + ASKED_FOR_KEPT_MS - now;
      if (wait > 0 && beyond.delete(run)) afterMs = Math.min(afterMs, wait);
    }
    over.push(...beyond);
  }
  return { over, afterMs };
}

function isRemembered(run: BackupRun, policy: BackupPolicy, host: Host | undefined): boolean {
  // A host the policy no longer selects keeps no summary of it.
  if (host === undefined || !selects(policy, host)) return true;
  const summary = host.status?.policies?.find(({ name }) => name === policy.metadata.name);
  return summary?.lastRun === run.metadata.name && summary.lastPhase === run.status?.phase;
}
