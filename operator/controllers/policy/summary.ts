import type { BackupPolicy, BackupPolicyStatus } from "#crds/backuppolicy.ts";
import type { BackupRun } from "#crds/backuprun.ts";
import type { Host } from "#crds/host.ts";
import type { Repository } from "#crds/repository.ts";
import { isTerminal } from "#protocol/outcome.ts";
import { sameJson } from "../../kube/apply.ts";
import { NEXT_WORTH_MS, nextText } from "../next.ts";
import type { Difference } from "../pace.ts";
import type { Readiness } from "../readiness.ts";
import type { FailingReason } from "../reasons.ts";
import { endOf, isSuccess, newestFirst, tells } from "./history.ts";
import { fires, type Timing } from "./timing.ts";

/** As the CRD bounds it. */
const SHOWN_FAILING = 20;

export type Summary = Pick<
  BackupPolicyStatus,
  "hosts" | "lastScheduleTime" | "lastSuccessfulTime" | "nextScheduleTime" | "failing" | "display"
>;

export interface SummaryInputs {
  readonly policy: BackupPolicy;
  /** The one it names; undefined: there is none. */
  readonly repository: Repository | undefined;
  readonly readiness: Readiness;
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
export function summarize({ policy, repository, readiness, hosts, timings, runs, now }: SummaryInputs): Summary {
  const runsByHost = Map.groupBy(runs, (run) => run.spec.hostRef);
  const counts = { selected: hosts.length, applied: 0, succeeded: 0, failing: 0, overdue: 0, running: 0 };
  const failing: NonNullable<Summary["failing"]> = [];
  const last = newestOf(policy.status?.lastSuccessfulTime);
  const slot = newestOf(policy.status?.lastScheduleTime);
  let next = Number.POSITIVE_INFINITY;
  let well = 0;

  hosts.forEach((host, index) => {
    const own = runsByHost.get(host.metadata.name) ?? [];
    const { lastRun, lastPhase, lastReason, lastSuccess } = lastOn(host, policy, own);
    const { desired, applied } = host.status?.config ?? {};
    if (desired !== undefined && desired === applied) counts.applied++;
    if (own.some((run) => run.status?.phase === "Running")) counts.running++;
    last.see(lastSuccess);
    for (const run of own) slot.see(run.spec.scheduledTime);

    const timing = host.spec.paused === true ? undefined : timings[index];
    if (timing !== undefined && fires(host, repository, lastSuccess)) next = Math.min(next, timing.next);
    const overdue = timing !== undefined && isOverdue(policy, host, lastSuccess, timing, now);
    const fails = lastPhase !== undefined && lastPhase !== "Succeeded";
    if (overdue) counts.overdue++;
    if (fails) counts.failing++;
    if (lastPhase === "Succeeded") counts.succeeded++;
    if (lastPhase === "Succeeded" && !overdue) well++;
    if ((fails || overdue) && failing.length < SHOWN_FAILING) {
      const reason = fails ? lastReason : ("Overdue" satisfies FailingReason);
      failing.push({ host: host.metadata.name, ...(lastRun && { run: lastRun }), ...(reason && { reason }) });
    }
  });

  const first = Number.isFinite(next) ? next : undefined;
  // A schedule that a ready policy has fires on every host that is not paused, once its agent has come.
  const paused = hosts.every(({ spec }) => spec.paused === true);
  const otherwise = policy.spec.schedule === undefined ? "Manual" : paused ? "Paused" : "NeverConnected";
  return {
    hosts: counts,
    ...(slot.time !== undefined && { lastScheduleTime: slot.time }),
    ...(last.time !== undefined && { lastSuccessfulTime: last.time }),
    ...(first !== undefined && { nextScheduleTime: new Date(first).toISOString().replace(".000Z", "Z") }),
    ...(failing.length > 0 && { failing }),
    display: { ok: `${well}/${hosts.length}`, next: nextText(readiness, first, otherwise) },
  };
}

/** Without a success for two slots, and there long enough to have had one. */
function isOverdue(policy: BackupPolicy, host: Host, lastSuccess: string | undefined, timing: Timing, now: number) {
  const since = Math.max(
    Date.parse(lastSuccess ?? "") || 0,
    Date.parse(policy.metadata.creationTimestamp ?? "") || 0,
    Date.parse(host.metadata.creationTimestamp ?? "") || 0,
  );
  return since < timing.overdueBefore && timing.overdueBefore <= now;
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
export function summaryDifference(live: Summary, wanted: Summary, now: number): Difference {
  // What NEXT shows follows from Ready, which is written at once, and from nextScheduleTime.
  const keep = ({ hosts, nextScheduleTime: _next, display, ...rest }: Summary) => {
    const { running: _running, applied: _applied, ...counts } = hosts ?? {};
    return { ...rest, counts, ok: display?.ok };
  };
  if (!sameJson(keep(live), keep(wanted))) return "lasting";
  if (!sameJson(live.hosts, wanted.hosts)) return "transient";
  const { nextScheduleTime: next } = wanted;
  const { nextScheduleTime: shown } = live;
  if (next === shown) return "none";
  const holds = next === undefined || Date.parse(next) - now >= NEXT_WORTH_MS;
  // Where no run ends (all hosts are away), nothing else would show the first one, or take away one that is long past.
  const over = shown === undefined || now - Date.parse(shown) >= NEXT_WORTH_MS;
  return holds || over ? "transient" : "none";
}
