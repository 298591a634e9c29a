import type { BackupRun } from "#crds/backuprun.ts";
import { isTerminal } from "#protocol/outcome.ts";
import type { EventNote } from "../../kube/events.ts";
import type { EventReason } from "../reasons.ts";

/** How the policy had gone on the host until this run ended. */
export interface Until {
  readonly lastPhase: string | undefined;
  readonly lastSuccess: string | undefined;
}

const FAILED = {
  Failed: "BackupFailed",
  PartiallyFailed: "BackupIncomplete",
  Skipped: "BackupSkipped",
} as const satisfies Record<string, EventReason>;
const WORDS = { Failed: "failed", PartiallyFailed: "left files out", Skipped: "was skipped" } as const;

/**
 * What to tell, of the policy and of the host, of a run that has ended: failures, and the first success after them. Nothing
 * of an ordinary success, which costs no write; nor of a rehearsal or a cancelled run, whose author is looking.
 */
export function runEvent(run: BackupRun, { lastPhase, lastSuccess }: Until): EventNote | undefined {
  const { spec, status, metadata } = run;
  const { phase, reason = "", message = "" } = status ?? {};
  if (!isTerminal(phase) || spec.overrides?.dryRun === true || phase === "Cancelled") return undefined;
  const what = `the backup ${spec.policyRef} of ${spec.hostRef}`;
  const action = "Backup";
  if (phase === "Succeeded") {
    if (lastPhase !== "Failed" && lastPhase !== "PartiallyFailed") return undefined;
    const before = lastSuccess === undefined ? "for the first time" : `after none since ${lastSuccess}`;
    const note = `${sentence(what)} has succeeded again, ${before} (BackupRun ${metadata.name}).`;
    return { type: "Normal", reason: "BackupRecovered" satisfies EventReason, action, note };
  }
  const last = lastSuccess === undefined ? "It has never succeeded" : `It last succeeded at ${lastSuccess}`;
  const why = message === "" ? reason : `${reason}: ${message}`;
  const note = `${sentence(what)} ${WORDS[phase]}. ${sentence(why)} ${last}; kubectl describe backuprun ${metadata.name} says more.`;
  return { type: "Warning", reason: FAILED[phase], action, note, cause: reason };
}

/** Begins with a capital letter where it is a word of prose, and ends as a sentence does. */
function sentence(text: string): string {
  return text.startsWith("the ") ? `T${text.slice(1)}` : `${text.replace(/[.\s]+$/, "")}.`;
}
