import type { Host } from "#crds/host.ts";
import { findCondition, isTrue } from "../../kube/conditions.ts";
import type { Readiness } from "../readiness.ts";

/** The configuration the resources ask for; or why it cannot be said, in a sentence with what to do. */
export type Planned = { readonly id: string } | { readonly reason: string; readonly message: string };

/** Ready sums up what the session's conditions say, so that one look is enough. */
export function hostReadiness(host: Host, planned: Planned | undefined): Readiness {
  const { name } = host.metadata;
  if (host.spec.revoked === true) {
    const message = `${name} was revoked; to let it back in, set spec.revoked to false and enrol the machine with a token that names this host and has reenroll set`;
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
  if (connected.status !== "True") {
    return { state: "waiting", reason: connected.reason, message: connected.message };
  }
  if (planned !== undefined && "reason" in planned) return { state: "stalled", ...planned };
  const applied = findCondition(conditions, "ConfigApplied");
  // Pending is the moment between sending and writing to disk; `applied` of the status shows it.
  if (applied?.status === "False" && applied.reason !== "Pending")
    return { state: "waiting", reason: applied.reason, message: applied.message };
  const clock = findCondition(conditions, "ClockInSync");
  if (clock?.status === "False") return { state: "waiting", reason: clock.reason, message: clock.message };
  const rejected = isTrue(conditions, "ResultsRejected") ? findCondition(conditions, "ResultsRejected") : undefined;
  if (rejected !== undefined) return { state: "waiting", reason: "ResultsRejected", message: rejected.message };
  if (host.spec.paused === true) {
    const message =
      "its agent is connected; scheduled backups are stopped, and slots of this time are not made up; manual runs still work; set spec.paused to false to resume";
    return { state: "ready", reason: "Paused", message };
  }
  return { state: "ready", reason: "Connected", message: "its agent is connected" };
}
