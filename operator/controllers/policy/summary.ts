import type { BackupPolicy, BackupPolicyStatus } from "#crds/backuppolicy.ts";
import type { BackupRun } from "#crds/backuprun.ts";
import type { Host } from "#crds/host.ts";
import { isTerminal } from "#protocol/outcome.ts";
import { sameJson } from "../../kube/apply.ts";
import type { Difference } from "../pace.ts";
import { endOf, isSuccess, newestFirst } from "./history.ts";
import type { Timing } from "./timing.ts";

/** As the CRD bounds it. */
const SHOWN_FAILING = 20;

export type Summary = Pick<
  BackupPolicyStatus,
  "hosts" | "lastScheduleTime" | "lastSuccessfulTime" | "nextScheduleTime" | "failing"
>;

export interface SummaryInputs {
  readonly policy: BackupPolicy;
  /** Those it selects, by name. */
  readonly hosts: readonly Host[];
  /** One for each host, in their order. */
  readonly timings: readonly (Timing | undefined)[];
  /** All of the policy, in any order. */
  readonly runs: readonly BackupRun[];
  readonly now: number;
}

/**
 * How a policy goes over all its hosts. Runs are deleted by the history limits, so what they said last is kept on the Hosts
 * (one policy's share) and in this status (the newest times).
 */
export function summarize({ policy, hosts, timings, runs, now }: SummaryInputs): Summary {
  const runsByHost = Map.groupBy(runs, (run) => run.spec.hostRef);
  const counts = { selected: hosts.length, applied: 0, succeeded: 0, failing: 0, overdue: 0, running: 0 };
  const failing: NonNullable<Summary["failing"]> = [];
  const last = newestOf(policy.status?.lastSuccessfulTime);
  const slot = newestOf(policy.status?.lastScheduleTime);
  let next = Number.POSITIVE_INFINITY;

  hosts.forEach((host, index) => {
    const own = runsByHost.get(host.metadata.name) ?? [];
    const { lastRun, lastPhase, lastReason, lastSuccess } = lastOn(host, policy, own);
    const { desired, applied } = host.status?.config ?? {};
    if (desired !== undefined && desired === applied) counts.applied++;
    if (own.some((run) => run.status?.phase === "Running")) counts.running++;
    if (lastPhase === "Succeeded") counts.succeeded++;
    else if (lastPhase !== undefined) {
      counts.failing++;
      if (failing.length < SHOWN_FAILING) {
        failing.push({
          host: host.metadata.name,
          ...(lastRun && { run: lastRun }),
          ...(lastReason && { reason: lastReason }),
        });
      }
    }
    last.see(lastSuccess);
    for (const run of own) slot.see(run.spec.scheduledTime);

    const timing = timings[index];
    if (timing === undefined || host.spec.paused === true) return;
    next = Math.min(next, timing.next);
    const since = Math.max(
      Date.parse(lastSuccess ?? "") || 0,
      Date.parse(policy.metadata.creationTimestamp ?? "") || 0,
      Date.parse(host.metadata.creationTimestamp ?? "") || 0,
    );
    if (since < timing.overdueBefore && timing.overdueBefore <= now) counts.overdue++;
  });

  const nextScheduleTime = Number.isFinite(next) ? new Date(next).toISOString().replace(".000Z", "Z") : undefined;
  return {
    hosts: counts,
    ...(slot.time !== undefined && { lastScheduleTime: slot.time }),
    ...(last.time !== undefined && { lastSuccessfulTime: last.time }),
    ...(nextScheduleTime !== undefined && { nextScheduleTime }),
    ...(failing.length > 0 && { failing }),
  };
}

/** What is known of the policy on one host: from its newest ended run, else from what the Host remembers. */
export function lastOn(host: Host, policy: BackupPolicy, runs: readonly BackupRun[]) {
  const kept = host.status?.policies?.find(({ name }) => name === policy.metadata.name);
  const [run] = runs.filter(tells).sort(newestFirst);
  const success = newestOf(kept?.lastSuccessfulTime);
  for (const each of runs) if (isSuccess(each)) success.see(new Date(endOf(each)).toISOString().replace(".000Z", "Z"));
  const keptPhase = isTerminal(kept?.lastPhase) && kept.lastPhase !== "Skipped" ? kept.lastPhase : undefined;
  return {
    lastRun: run?.metadata.name ?? (keptPhase && kept?.lastRun),
    lastPhase: run?.status?.phase ?? keptPhase,
    lastReason: run?.status?.reason,
    lastSuccess: success.time,
  };
}

/** Whether an ended run says something of how the backups go: not a rehearsal, not one that gave way to another. */
function tells(run: BackupRun): boolean {
  const { phase } = run.status ?? {};
  return isTerminal(phase) && phase !== "Skipped" && run.spec.overrides?.dryRun !== true;
}

/** Keeps the later one of RFC 3339 times as it was written. */
function newestOf(time: string | undefined) {
  return {
    time,
    see(other: string | undefined) {
      if (other !== undefined && (this.time === undefined || Date.parse(other) > Date.parse(this.time)))
        this.time = other;
    },
  };
}

/** What of a summary changes again soon by itself, and so is worth no write of its own at once. */
export function summaryDifference(live: Summary, wanted: Summary): Difference {
  const keep = ({ hosts, nextScheduleTime: _, ...rest }: Summary) => {
    const { running: _running, applied: _applied, ...counts } = hosts ?? {};
    return { ...rest, counts };
  };
  if (!sameJson(keep(live), keep(wanted))) return "lasting";
  return sameJson(part(live), part(wanted)) ? "none" : "transient";
}

function part({ hosts, nextScheduleTime }: Summary): Summary {
  return { ...(hosts && { hosts }), ...(nextScheduleTime && { nextScheduleTime }) };
}
