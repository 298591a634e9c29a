import type { Host } from "#crds/host.ts";
import type { Condition } from "#crds/meta.ts";
import { findCondition, isTrue } from "../../kube/conditions.ts";
import type { Readiness } from "../readiness.ts";
import type { ConditionReason } from "../reasons.ts";

/** The configuration the resources ask for; or why it cannot be said, in a sentence with what to do. */
export type Planned = { readonly id: string } | { readonly reason: ConditionReason; readonly message: string };

/** Ready sums up what the session's conditions say, so that one look is enough. */
export function hostReadiness(host: Host, planned: Planned | undefined): Readiness {
  const { name } = host.metadata;
  if (host.spec.revoked === true) {
    const message = `${name} was revoked; to let it back in, wait for condition Revoked, set spec.revoked to false and enrol the machine with a token that names this host and has reenroll set`;
    return { state: "stalled", reason: "Revoked", message };
  }
  const { conditions } = host.status ?? {};
  const conflict = findCondition(conditions, "IdentityConflict");
  if (conflict?.status === "True") return { state: "stalled", reason: "IdentityConflict", message: conflict.message };

  const connected = findCondition(conditions, "Connected");
  if (connected === undefined) {
    const message = `no agent has connected yet; run the install command of an EnrollmentToken on the machine`;
    return { state: "waiting", reason: "NeverConnected", message };
  }
  if (connected.status !== "True") return asTold(connected);
  if (planned !== undefined && "reason" in planned) return { state: "stalled", ...planned };
  const applied = findCondition(conditions, "ConfigApplied");
  // Pending is the moment between sending and writing to disk; `applied` of the status shows it.
  if (applied?.status === "False" && applied.reason !== "Pending") return asTold(applied);
  const clock = findCondition(conditions, "ClockInSync");
  if (clock?.status === "False") return asTold(clock);
  const rejected = isTrue(conditions, "ResultsRejected") ? findCondition(conditions, "ResultsRejected") : undefined;
  if (rejected !== undefined) return { state: "waiting", reason: "ResultsRejected", message: rejected.message };
  if (host.spec.paused === true) {
    const message =
      "its agent is connected; scheduled backups are stopped, and slots of this time are not made up; manual runs still work; set spec.paused to false to resume";
    return { state: "ready", reason: "Paused", message };
  }
  return { state: "ready", reason: "Connected", message: "its agent is connected" };
}

/** What a condition says that the replica with the socket has written. */
function asTold({ reason, message }: Pick<Condition, "reason" | "message">): Readiness {
  return { state: "waiting", reason: reason as ConditionReason, message };
}
