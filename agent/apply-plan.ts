import type { Config, PolicyPlan } from "#protocol/config.ts";
import type { ConfigRefusal } from "#protocol/outcome.ts";
import { validate } from "#protocol/slots.ts";
import type { HeldConfig } from "./state/held-config.ts";

/**
 * The configuration to hold after `plan`, or why it is refused and the old one stays. A policy the operator cannot
 * resolve just now goes on as it is held; one that is missing without a tombstone is an outage on the other side, not a
 * wish, and the whole plan is refused.
 */
export function applyPlan(
  held: HeldConfig | undefined,
  plan: Config,
  hostUID: string,
): { held: HeldConfig } | { refused: ConfigRefusal; message: string } {
  if (plan.host.uid !== hostUID) {
    return {
      refused: "WrongHost",
      message: `this configuration is for host ${plan.host.uid}, this agent is ${hostUID}`,
    };
  }
  const named = new Set([...plan.policies.map(({ uid }) => uid), ...plan.tombstones]);
  const lost = held?.policies.filter(({ uid }) => !named.has(uid)).map(({ name }) => name) ?? [];
  if (lost.length > 0) {
    return {
      refused: "PolicyLost",
      message: `the configuration leaves out ${lost.slice(0, 5).join(", ")} without a tombstone: the agent keeps what it has`,
    };
  }

  const policies: PolicyPlan[] = [];
  const kept = new Set<string>();
  for (const policy of plan.policies) {
    if (!("keepLastApplied" in policy)) policies.push(policy);
    else {
      const last = held?.policies.find(({ uid }) => uid === policy.uid);
      if (last === undefined) continue;
      policies.push(last);
      kept.add(last.repository);
    }
  }
  const given = new Set(plan.repositories.map(({ name }) => name));
  const repositories = [
    ...plan.repositories,
    ...(held?.repositories.filter(({ name }) => kept.has(name) && !given.has(name)) ?? []),
  ];

  for (const { name, repository, schedule } of policies) {
    if (!repositories.some((candidate) => candidate.name === repository)) {
      return {
        refused: "RepositoryUnknown",
        message: `policy ${name} names repository ${repository}, which is not in the configuration`,
      };
    }
    const problem = schedule === undefined ? undefined : validate(schedule.cron, schedule.timeZone);
    if (problem !== undefined)
      return { refused: "ScheduleInvalid", message: `policy ${name}: ${problem}`.slice(0, 1024) };
  }
  const { id, clusterID, host } = plan;
  return { held: { id, clusterID, host, policies, repositories } };
}
