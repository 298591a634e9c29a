import type { ConditionDraft } from "../kube/conditions.ts";
import type { ConditionReason } from "./reasons.ts";

/**
 * How something is. `waiting`: it will be ready without a change of its own spec. `stalled`: only a change by the user can
 * mend it; what kstatus (and so Flux, kubectl wait and others) knows as failed.
 */
export interface Readiness<R extends string = ConditionReason> {
  readonly state: "ready" | "waiting" | "stalled";
  readonly reason: R;
  /** A sentence, with what to do where something is wrong. */
  readonly message: string;
}

/** The conditions every readiness is made of; a StatusWriter's `conditions`. */
export const READINESS = ["Ready", "Reconciling", "Stalled"] as const;

/** As the CRDs bound it. */
const LONGEST_MESSAGE = 4096;

/**
 * kstatus reads Reconciling and Stalled only (Ready=False alone is "in progress" to it), and takes their mere presence
 * with True for an answer; both are therefore there only while they hold.
 */
export function readinessConditions(readiness: Readiness<string>, generation: number | undefined): ConditionDraft[] {
  const { state, reason } = readiness;
  const rest = { reason, message: readiness.message.slice(0, LONGEST_MESSAGE), observedGeneration: generation };
  const ready: ConditionDraft = { type: "Ready", status: state === "ready" ? "True" : "False", ...rest };
  if (state === "ready") return [ready];
  return [ready, { type: state === "waiting" ? "Reconciling" : "Stalled", status: "True", ...rest }];
}

/** The first of `names`, for a message. */
export function some(names: readonly string[], atMost = 5): string {
  const shown = names.slice(0, atMost).join(", ");
  return names.length > atMost ? `${shown} and ${names.length - atMost} more` : shown;
}
