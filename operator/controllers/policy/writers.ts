import type { StatusWriter } from "../../kube/apply.ts";
import { READINESS } from "../readiness.ts";

export const policyWriter: StatusWriter = {
  manager: "holdfast-policy",
  fields: [
    "observedGeneration",
    "hosts",
    "lastScheduleTime",
    "lastSuccessfulTime",
    "nextScheduleTime",
    "failing",
    "display",
    "lastHandledRunRequest",
  ],
  conditions: READINESS,
};
