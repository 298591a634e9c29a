import { isTerminal, type Phase } from "#protocol/outcome.ts";
import type { ConditionDraft } from "../../kube/conditions.ts";
import { type Readiness, readinessConditions } from "../readiness.ts";

export interface OneShotState {
  readonly phase: Phase;
  /** CamelCase, one word; empty while there is nothing to say. */
  readonly reason: string;
  readonly message: string;
}

/** Ready=True: it succeeded. Stalled=True: it ended in another way. Reconciling=True: it has not ended. */
export function oneShotConditions(one: OneShotState, generation: number | undefined): ConditionDraft[] {
  const state: Readiness["state"] = one.phase === "Succeeded" ? "ready" : isTerminal(one.phase) ? "stalled" : "waiting";
  return readinessConditions({ state, reason: one.reason || one.phase, message: one.message }, generation);
}

/**
 * Whether what an agent reports may replace what stands in the status. Until that has ended, anything may. An end that the
 * agent itself has told (`attempts` is there) stays; one that the operator had to suppose (Lost, DeadlineExceeded,
 * cancelled out of reach: written without `attempts`) gives way to the real one, however late it comes.
 */
export function mayReplace(
  standing: { readonly phase?: Phase; readonly attempts?: number } | undefined,
  reported: { readonly phase: Phase },
): boolean {
  if (!isTerminal(standing?.phase)) return true;
  return standing?.attempts === undefined && isTerminal(reported.phase);
}
