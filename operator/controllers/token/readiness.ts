import type { EnrollmentToken } from "#crds/enrollmenttoken.ts";
import type { ConditionDraft } from "../../kube/conditions.ts";
import { milliseconds } from "../duration.ts";

/** When the token stops working, in milliseconds since 1970. */
export function expiryOf(token: EnrollmentToken): number {
  return Date.parse(token.metadata.creationTimestamp ?? "") + milliseconds(token.spec.ttl ?? "1h");
}

/**
 * Its Ready condition once no machine can enrol with it any more; undefined while one can. `now` in milliseconds since
 * 1970. One that was used up has done what it was for and is a success; one that expired before is neither waiting nor in
 * need of a change: Ready=False alone.
 */
export function spent(
  token: EnrollmentToken,
  now: number,
): Pick<ConditionDraft, "status" | "reason" | "message"> | undefined {
  const { maxUses = 1 } = token.spec;
  if ((token.status?.uses ?? 0) >= maxUses) {
    const times = maxUses === 1 ? "once, as often as it may be" : `${maxUses} times, as often as it may be`;
    return {
      status: "True",
      reason: "Used",
      message: `used ${times}; create another EnrollmentToken for further machines`,
    };
  }
  if (now >= expiryOf(token)) {
    const message = `expired ${token.spec.ttl ?? "1h"} after its creation; create another EnrollmentToken`;
    return { status: "False", reason: "Expired", message };
  }
  return undefined;
}
