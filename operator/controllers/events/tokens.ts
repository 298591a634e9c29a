import type { EnrollmentToken } from "#crds/enrollmenttoken.ts";
import type { EventNote } from "../../kube/events.ts";
import { some } from "../readiness.ts";
import type { EventReason } from "../reasons.ts";

/** What to tell of an EnrollmentToken that machines have enrolled with. */
export function enrolledEvent(before: EnrollmentToken | undefined, after: EnrollmentToken): EventNote | undefined {
  const uses = after.status?.uses ?? 0;
  if (before === undefined || uses <= (before.status?.uses ?? 0)) return undefined;
  const known = new Set((before.status?.hosts ?? []).map(({ name, time }) => `${name} ${time}`));
  const names = (after.status?.hosts ?? [])
    .filter(({ name, time }) => !known.has(`${name} ${time}`))
    .map(({ name }) => name);
  const left = (after.spec.maxUses ?? 1) - uses;
  const rest =
    left > 0
      ? `${left} of ${after.spec.maxUses} uses are left`
      : "it is used up, create another one for further machines";
  const note = `Host ${some(names)} enrolled with EnrollmentToken ${after.metadata.name}; ${rest}. If you do not know of it, revoke the Host.`;
  const reason: EventReason = left > 0 ? "Enrolled" : "TokenUsedUp";
  return { type: "Normal", reason, action: "Enrol", note };
}
