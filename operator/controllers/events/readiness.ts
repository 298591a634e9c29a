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

/**
 * What to tell of objects that became ready, or not, or not for another reason. The way back often leads through a reason
 * that is not told (Opening), so it remembers what was told last, for as long as the condition before does not say it.
 */
export class ReadinessEvents {
  readonly #told = new Map<string, Condition>();

  /** `uid` is the object's; to be called with each change of it. */
  of(uid: string, standing: Standing): EventNote | undefined {
    const last = this.#told.get(uid) ?? lastTold(undefined, standing.before);
    const { after } = standing;
    const now = lastTold(last, after);
    if (now === undefined || now === lastTold(undefined, after)) this.#told.delete(uid);
    else this.#told.set(uid, now);
    return readinessEvent(standing, last);
  }

  forget(uid: string): void {
    this.#told.delete(uid);
  }
}

function readinessEvent({ kind, name, before, after }: Standing, last: Condition | undefined): EventNote | undefined {
  if (after === undefined || (after.status === before?.status && after.reason === before.reason)) return undefined;
  const action = ACTION[kind];
  if (after.status === "True") {
    if (last?.status !== "False") return undefined;
    const note = `${kind} ${name} is ready again. It was not since ${last.lastTransitionTime} (${last.reason}).`;
    return { type: "Normal", reason: "Recovered" satisfies EventReason, action, note };
  }
  if (!isTold(last, after)) return undefined;
  const { reason, message } = after;
  const wasReady = last?.status === "True";
  const since = wasReady || before === undefined ? "" : ` (since ${before.lastTransitionTime})`;
  const note = `${kind} ${name} is ${wasReady ? "no longer" : "not"} ready${since}: ${message}`;
  return { type: WANTED.has(reason) ? "Normal" : "Warning", reason, action, note };
}

function isTold(last: Condition | undefined, { status, reason }: Condition): boolean {
  return status === "False" && !TOLD_ELSEWHERE.has(reason) && (last?.status === "True" || !ON_THE_WAY.has(reason));
}

/** The condition that people know of, once it is `after`: that it is ready, or a trouble that they were told. */
function lastTold(last: Condition | undefined, after: Condition | undefined): Condition | undefined {
  if (after === undefined) return last;
  // The end of a conflict is told here, its beginning is not.
  return after.status === "True" || after.reason === "IdentityConflict" || isTold(last, after) ? after : last;
}
