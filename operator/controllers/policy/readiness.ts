import type { BackupPolicy } from "#crds/backuppolicy.ts";
import type { Host } from "#crds/host.ts";
import type { Repository } from "#crds/repository.ts";
import { validate } from "#protocol/slots.ts";
import { findCondition, isTrue } from "../../kube/conditions.ts";
import { type Readiness, some } from "../readiness.ts";

export interface Resolution {
  /** The hosts it selects. */
  readonly hosts: readonly Host[];
  /** Names in spec.hosts.names of which there is no Host. */
  readonly unknownHosts: readonly string[];
  readonly repository: Repository | undefined;
}

/** What is wrong with the schedule and what to write instead; undefined where it can be kept, or there is none. */
export function scheduleProblem({ spec }: BackupPolicy): string | undefined {
  return spec.schedule === undefined ? undefined : validate(spec.schedule, spec.timeZone ?? "UTC");
}

export function policyReadiness(policy: BackupPolicy, { hosts, unknownHosts, repository }: Resolution): Readiness {
  const problem = scheduleProblem(policy);
  if (problem !== undefined) return { state: "stalled", reason: "InvalidSchedule", message: problem };

  if (unknownHosts.length > 0) {
    const missing = `there is no Host ${some(unknownHosts)} (spec.hosts.names); correct the name, or enrol it with an EnrollmentToken`;
    const served = repository === undefined || repositoryProblem(repository) !== undefined ? [] : hosts;
    const others =
      served.length === 0 ? "" : `; served all the same: ${some(served.map(({ metadata }) => metadata.name))}`;
    return { state: "waiting", reason: "HostsNotFound", message: missing + others };
  }
  if (hosts.length === 0) return { state: "waiting", reason: "NoHosts", message: whySelectsNone(policy) };

  const { name } = policy.spec.repository;
  if (repository === undefined) {
    const message = `there is no Repository ${name} in this namespace; create it, or correct spec.repository.name`;
    return { state: "waiting", reason: "RepositoryNotFound", message };
  }
  const unready = repositoryProblem(repository);
  if (unready !== undefined) return { state: "waiting", reason: "RepositoryNotReady", message: unready };
  const selects = hosts.length === 1 ? "selects 1 host" : `selects ${hosts.length} hosts`;
  if (policy.spec.suspend === true) {
    const message = `${selects}; its schedule is suspended, manual runs still work; set spec.suspend to false to resume it`;
    return { state: "ready", reason: "Suspended", message };
  }
  return { state: "ready", reason: "Ready", message: selects };
}

/** Why what needs this repository has to wait. */
export function repositoryProblem(repository: Repository): string | undefined {
  const { conditions } = repository.status ?? {};
  if (isTrue(conditions, "Ready")) return undefined;
  const { reason = "Opening", message = "it was just created" } = findCondition(conditions, "Ready") ?? {};
  return `Repository ${repository.metadata.name} is not ready (${reason}): ${message}`;
}

function whySelectsNone({ spec }: BackupPolicy): string {
  if (spec.hosts.selector === undefined) return "all hosts in spec.hosts.names are revoked; name others";
  const { matchLabels = {}, matchExpressions = [] } = spec.hosts.selector;
  const wanted = [
    ...Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`),
    ...matchExpressions.map(({ key, operator, values = [] }) => `${key} ${operator} ${some(values)}`.trim()),
  ];
  const which = wanted.length === 0 ? "there is no Host in this namespace" : `no Host has ${some(wanted)}`;
  return `${which}; enrol one with an EnrollmentToken (its spec.hostLabels become the Host's labels), or label a Host with kubectl label`;
}
