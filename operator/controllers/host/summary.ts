import type { BackupPolicy } from "#crds/backuppolicy.ts";
import type { BackupRun } from "#crds/backuprun.ts";
import type { Host, HostStatus } from "#crds/host.ts";
import type { Repository } from "#crds/repository.ts";
import { MAX_POLICIES } from "#protocol/limits.ts";
import { isTerminal } from "#protocol/outcome.ts";
import { sameJson } from "../../kube/apply.ts";
import { nextText } from "../next.ts";
import type { Difference } from "../pace.ts";
import { isRehearsal, newestFirst } from "../policy/history.ts";
import { lastOn } from "../policy/summary.ts";
import { fires, type Timing } from "../policy/timing.ts";
import type { Readiness } from "../readiness.ts";
import type { ConditionReason } from "../reasons.ts";

export type Summary = Pick<HostStatus, "policies" | "lastSuccessfulTime" | "display">;

export interface SummaryInputs {
  readonly host: Host;
  readonly readiness: Readiness;
  /** Those that select it, by name. */
  readonly policies: readonly {
    readonly policy: BackupPolicy;
    /** The one it names; undefined: there is none. */
    readonly repository: Repository | undefined;
    readonly timing: Timing | undefined;
  }[];
  /** All of the host, in any order. */
  readonly runs: readonly BackupRun[];
}

/** How each policy last went on this host. What runs said that were deleted since is kept from the summary before. */
export function summarize({ host, readiness, policies, runs }: SummaryInputs): Summary {
  let [ok, next, last] = [0, Number.POSITIVE_INFINITY, host.status?.lastSuccessfulTime];
  const shown = policies.slice(0, MAX_POLICIES).map(({ policy, repository, timing }) => {
    const { name } = policy.metadata;
    const own = runs.filter((run) => run.spec.policyRef === name);
    const kept = host.status?.policies?.find((each) => each.name === name);
    const [newest] = own
      .filter((run) => !isRehearsal(run))
      .toSorted((a, b) => beginOf(b) - beginOf(a) || newestFirst(a, b));
    const lastRun = newest?.metadata.name ?? kept?.lastRun;
    const lastPhase = newest === undefined ? kept?.lastPhase : (newest.status?.phase ?? "Pending");
    const { lastSuccess, lastPhase: lastEnd } = lastOn(host, policy, own);
    const slot = fires(host, repository, lastSuccess) ? timing?.next : undefined;
    if (lastEnd === "Succeeded") ok++;
    if (slot !== undefined) next = Math.min(next, slot);
    if (lastSuccess !== undefined && !(Date.parse(lastSuccess) <= Date.parse(last ?? ""))) last = lastSuccess;
    return {
      name,
      ...(lastRun !== undefined && { lastRun }),
      ...(lastPhase !== undefined && { lastPhase }),
      ...(lastSuccess !== undefined && { lastSuccessfulTime: lastSuccess }),
      ...(slot !== undefined && { nextScheduleTime: new Date(slot).toISOString().replace(".000Z", "Z") }),
    };
  });
  return {
    ...(shown.length > 0 && { policies: shown }),
    ...(last !== undefined && { lastSuccessfulTime: last }),
    display: {
      ok: `${ok}/${policies.length}`,
      next: nextText(readiness, Number.isFinite(next) ? next : undefined, whyNone(policies)),
    },
  };
}

/** Why nothing fires on a host that is not paused. */
function whyNone(policies: SummaryInputs["policies"]): string {
  if (policies.length === 0) return "NoPolicy";
  const scheduled = policies.filter(({ policy }) => policy.spec.schedule !== undefined);
  if (scheduled.length === 0) return "Manual";
  if (scheduled.some(({ timing }) => timing !== undefined)) return "RepositoryNotReady" satisfies ConditionReason;
  return scheduled.some(({ policy }) => policy.spec.suspend === true) ? "Suspended" : "InvalidSchedule";
}

/**
 * What is worth a write at once: another set of policies, an end, a success. Not that something waits or runs; and that the
 * next slot has moved on is worth none: what NEXT shows follows from Ready, the policies and their slots, and comes along.
 */
export function summaryDifference(live: Summary, wanted: Summary): Difference {
  const [before, after] = [live.policies ?? [], wanted.policies ?? []];
  const lasting = after.some((policy, index) => {
    const old = before[index];
    if (old?.name !== policy.name || old.lastSuccessfulTime !== policy.lastSuccessfulTime) return true;
    return isTerminal(policy.lastPhase) && (old.lastRun !== policy.lastRun || old.lastPhase !== policy.lastPhase);
  });
  if (lasting || before.length !== after.length || live.display?.ok !== wanted.display?.ok) return "lasting";
  const withoutSlots = (policies: typeof before) => policies.map(({ nextScheduleTime: _, ...policy }) => policy);
  return sameJson(withoutSlots(before), withoutSlots(after)) ? "none" : "transient";
}

function beginOf({ status, spec, metadata }: BackupRun): number {
  return Date.parse(status?.startTime ?? spec.scheduledTime ?? metadata.creationTimestamp ?? "") || 0;
}
