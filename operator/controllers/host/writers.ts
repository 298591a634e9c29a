import type { StatusWriter } from "../../kube/apply.ts";
import { READINESS } from "../readiness.ts";

/**
 * What the replica with the socket says of a host, and the leader while none has it: that replica's Lease has expired, the
 * agent is away, the Host is revoked.
 */
export const sessionWriter: StatusWriter = {
  manager: "holdfast-session",
  fields: ["agent", "session", "lastSeenTime", "config.applied"],
  conditions: ["Connected", "ConfigApplied", "ClockInSync", "IdentityConflict", "ResultsRejected"],
};

/** Whether a revocation was carried out: on the leader, apart from the rest because it gates `spec.revoked`. */
export const revocationWriter: StatusWriter = { manager: "holdfast-revocation", fields: [], conditions: ["Revoked"] };

/** The rest, which is the leader's. */
export const hostWriter: StatusWriter = {
  manager: "holdfast-host",
  fields: ["observedGeneration", "config.desired", "policies", "lastSuccessfulTime", "display"],
  conditions: READINESS,
};
