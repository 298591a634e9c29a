import type { StatusWriter } from "../../kube/apply.ts";
import { READINESS } from "../readiness.ts";

export const tokenWriter: StatusWriter = {
  manager: "holdfast-token",
  fields: ["observedGeneration", "secretRef", "expiresAt"],
  conditions: READINESS,
};

/** The uses, counted by whichever replica takes the enrolment, by compare-and-swap on the resourceVersion. */
export const enrollWriter: StatusWriter = { manager: "holdfast-enroll", fields: ["uses", "hosts"], conditions: [] };
