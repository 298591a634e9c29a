import type { Host } from "#crds/host.ts";
import { findCondition } from "../../kube/conditions.ts";
import type { Obstacle } from "./decide.ts";

/** Why nothing can be given to this host, ever. One that is only away is waited for. */
export function hostObstacle(name: string, host: Host | undefined): Obstacle | undefined {
  if (host === undefined) {
    return {
      final: true,
      reason: "HostNotFound",
      message: `there is no Host ${name} in this namespace; correct the name, or enrol it first`,
    };
  }
  if (host.spec.revoked === true) {
    return { final: true, reason: "HostRevoked", message: `Host ${name} was revoked; enrol its machine again first` };
  }
  const conflict = findCondition(host.status?.conditions, "IdentityConflict");
  if (conflict?.status === "True") return { final: false, reason: "IdentityConflict", message: conflict.message };
  return undefined;
}
