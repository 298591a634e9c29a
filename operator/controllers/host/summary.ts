import type { BackupPolicy } from "#crds/backuppolicy.ts";
import type { BackupRun } from "#crds/backuprun.ts";
import type { Host, HostStatus } from "#crds/host.ts";
import { MAX_POLICIES } from "#protocol/limits.ts";
import { isTerminal } from "#protocol/outcome.ts";
import { sameJson } from "../../kube/apply.ts";
import type { Difference } from "../pace.ts";
import { newestFirst } from "../policy/history.ts";
import { lastOn } from "../policy/summary.ts";
import type { Timing } from "../policy/timing.ts";

export type Policies = NonNullable<HostStatus["policies"]>;

/** How each policy last went on this host. What runs said that were deleted since is kept from the summary before. */
export function summarizePolicies(
  host: Host,
  policies: readonly { readonly policy: BackupPolicy; readonly timing: Timing | undefined }[],
  runs: readonly BackupRun[],
): Policies {
  return policies.slice(0, MAX_POLICIES).map(({ policy, timing }) => {
    const { name } = policy.metadata;
    const own = runs.filter((run) => run.spec.policyRef === name);
    const kept = host.status?.policies?.find((each) => each.name === name);
    const [newest] = own.toSorted((a, b) => beginOf(b) - beginOf(a) || newestFirst(a, b));
    const lastRun = newest?.metadata.name ?? kept?.lastRun;
    const lastPhase = newest === undefined ? kept?.lastPhase : (newest.status?.phase ?? "Pending");
    const { lastSuccess } = lastOn(host, policy, own);
    const next = host.spec.paused === true ? undefined : timing?.next;
    return {
      name,
      ...(lastRun !== undefined && { lastRun }),
      ...(lastPhase !== undefined && { lastPhase }),
      ...(lastSuccess !== undefined && { lastSuccessfulTime: lastSuccess }),
      ...(next !== undefined && { nextScheduleTime: new Date(next).toISOString().replace(".000Z", "Z") }),
    };
  });
}

/** What is worth a write at once: another set of policies, an end, a success. Not that something waits, runs or moves on. */
export function policiesDifference(live: Policies, wanted: Policies): Difference {
  if (sameJson(live, wanted)) return "none";
  const lasting = wanted.some((policy, index) => {
    const old = live[index];
    if (old?.name !== policy.name || old.lastSuccessfulTime !== policy.lastSuccessfulTime) return true;
    return isTerminal(policy.lastPhase) && (old.lastRun !== policy.lastRun || old.lastPhase !== policy.lastPhase);
  });
  return lasting || live.length !== wanted.length ? "lasting" : "transient";
}

function beginOf({ status, spec, metadata }: BackupRun): number {
  return Date.parse(status?.startTime ?? spec.scheduledTime ?? metadata.creationTimestamp ?? "") || 0;
}
