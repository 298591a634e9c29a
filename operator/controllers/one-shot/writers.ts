import type { StatusWriter } from "../../kube/apply.ts";
import { READINESS } from "../readiness.ts";

/**
 * A one-shot's status has one manager, whoever writes it: the replica that holds its host's socket says what the agent
 * says; the leader speaks only of what no agent has (not yet delivered) or can (out of reach). Both compute the whole of it
 * from the live object, and its resourceVersion decides between them.
 */
const MANAGER = "holdfast-run";

const OUTCOME = [
  "observedGeneration",
  "phase",
  "reason",
  "message",
  "startTime",
  "completionTime",
  "exitCode",
  "attempts",
  "logTail",
  "progress",
  "display",
] as const;

export const runWriter: StatusWriter = {
  manager: MANAGER,
  fields: [...OUTCOME, "effective", "snapshots", "unreadFiles"],
  conditions: READINESS,
};

export const restoreWriter: StatusWriter = {
  manager: MANAGER,
  fields: [...OUTCOME, "snapshotID", "restored"],
  conditions: READINESS,
};
