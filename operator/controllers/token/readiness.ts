import type { EnrollmentToken } from "#crds/enrollmenttoken.ts";
import { milliseconds } from "../duration.ts";
import type { Readiness } from "../readiness.ts";

/** When the token stops working, in milliseconds since 1970. */
export function expiryOf(token: EnrollmentToken): number {
  return Date.parse(token.metadata.creationTimestamp ?? "") + milliseconds(token.spec.ttl ?? "1h");
}

/**
 * Whether machines can enrol with it now; `now` in milliseconds since 1970. One that cannot any more has done what it was
 * for, so it is neither waiting nor in need of a change: Ready=False alone.
 */
export function spentReason(token: EnrollmentToken, now: number): Omit<Readiness, "state"> | undefined {
  const { maxUses = 1 } = token.spec;
  if ((token.status?.uses ?? 0) >= maxUses) {
    const times = maxUses === 1 ? "once, as often as it may be" : `${maxUses} times, as often as it may be`;
    return { reason: "Used", message: `used ${times}; create another EnrollmentToken for further machines` };
  }
  if (now >= expiryOf(token)) {
    const message = `expired ${token.spec.ttl ?? "1h"} after its creation; create another EnrollmentToken`;
    return { reason: "Expired", message };
  }
  return undefined;
}
