import type { Condition } from "#crds/meta.ts";
import type { EventNote } from "../../kube/events.ts";
import type { EventReason } from "../reasons.ts";

/** The Ready condition of one object, before and after a change of it. */
export interface Standing {
  readonly kind: "Host" | "Repository" | "BackupPolicy" | "EnrollmentToken";
  readonly name: string;
  readonly before: Condition | undefined;
  readonly after: Condition | undefined;
}

/** What was tried when it turned out to be ready or not. */
const ACTION = { Host: "Connect", Repository: "Open", BackupPolicy: "Resolve", EnrollmentToken: "Enrol" } as const;

/** On the way to being ready for the first time: no trouble, unless it was ready before. */
const ON_THE_WAY: ReadonlySet<string> = new Set(["WaitingForHost", "NeverConnected", "NoHosts", "RepositoryNotFound"]);
/**
 * Over in a moment, or told where it comes from: of the Repository, of the EnrollmentToken, and of the Host when the second
 * machine showed itself.
 */
const TOLD_ELSEWHERE: ReadonlySet<string> = new Set([
  "Opening",
  "RepositoryNotReady",
  "Reenrolled",
  "IdentityConflict",
]);
/** Not ready, as somebody wanted it. */
const WANTED: ReadonlySet<string> = new Set(["Revoked", "Expired"]);

/** What to tell of an object that became ready, or not, or not for another reason. */
export function readinessEvent({ kind, name, before, after }: Standing): EventNote | undefined {
  if (after === undefined || (after.status === before?.status && after.reason === before.reason)) return undefined;
  const action = ACTION[kind];
  if (after.status === "True") {
    if (before?.status !== "False" || ON_THE_WAY.has(before.reason) || isPassing(before.reason)) return undefined;
    const note = `${kind} ${name} is ready again. It was not since ${before.lastTransitionTime} (${before.reason}).`;
    return { type: "Normal", reason: "Recovered" satisfies EventReason, action, note };
  }
  const { reason, message } = after;
  const wasReady = before?.status === "True";
  if (after.status !== "False" || TOLD_ELSEWHERE.has(reason) || (!wasReady && ON_THE_WAY.has(reason))) return undefined;
  const since = wasReady || before === undefined ? "" : ` (since ${before.lastTransitionTime})`;
  const note = `${kind} ${name} is ${wasReady ? "no longer" : "not"} ready${since}: ${message}`;
  return { type: WANTED.has(reason) ? "Normal" : "Warning", reason, action, note };
}

function isPassing(reason: string): boolean {
  return reason !== "IdentityConflict" && TOLD_ELSEWHERE.has(reason);
}
