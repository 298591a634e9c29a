import type { Host, HostStatus } from "#crds/host.ts";
import { type ConditionDraft, conditions, findCondition } from "../../kube/conditions.ts";
import type { ConditionReason } from "../reasons.ts";
import { sessionWriter } from "./writers.ts";

/** The session's part of the status as it stands, whole, with one condition made anew: for what is not its session's to say. */
export function sessionPart(host: Host, draft: ConditionDraft, now: number): HostStatus {
  const { agent, session, lastSeenTime, config, conditions: live = [] } = host.status ?? {};
  const others = live.filter(({ type }) => type !== draft.type && sessionWriter.conditions.includes(type));
  return {
    ...(agent && { agent }),
    ...(session && { session }),
    ...(lastSeenTime && { lastSeenTime }),
    ...(config?.applied && { config: { applied: config.applied } }),
    conditions: conditions(live, [draft, ...others], now),
  };
}

/** ConfigApplied of an agent that has refused nothing, by the ids of what it has and what it is to have. */
export function configApplied(
  applied: string | undefined,
  desired: string | undefined,
): ConditionDraft & { readonly reason: ConditionReason } {
  const type = "ConfigApplied";
  if (applied === undefined || (desired !== undefined && applied !== desired)) {
    const message = "the newest configuration is not on the agent's disk yet";
    return { type, status: "False", reason: "Pending", message };
  }
  return { type, status: "True", reason: "Applied", message: "the agent has its configuration on disk" };
}

/** The session's part of a Host whose agent is away while what is meant for it changes; undefined where nobody but a session may say. */
export function configWhileAway(host: Host, desired: string | undefined, now: number): HostStatus | undefined {
  const { conditions: live, config } = host.status ?? {};
  const connected = findCondition(live, "Connected")?.status;
  const standing = findCondition(live, "ConfigApplied")?.reason;
  if (connected === undefined || connected === "True" || (standing !== "Applied" && standing !== "Pending")) return;
  return sessionPart(host, configApplied(config?.applied, desired), now);
}
