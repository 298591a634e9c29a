import type { Restore } from "#crds/restore.ts";
import { isTerminal, type TerminalPhase } from "#protocol/outcome.ts";
import type { EventNote } from "../../kube/events.ts";
import type { EventReason } from "../reasons.ts";

const REASON = {
  Succeeded: "RestoreSucceeded",
  PartiallyFailed: "RestoreIncomplete",
  Failed: "RestoreFailed",
  Cancelled: "RestoreCancelled",
  Skipped: "RestoreSkipped",
} as const satisfies Record<TerminalPhase, EventReason>;
const WORDS = {
  Succeeded: "is done",
  PartiallyFailed: "left files out",
  Failed: "failed",
  Cancelled: "was cancelled",
  Skipped: "was skipped",
} as const;

/** What to tell of a Restore that has ended. Data was written to a host, or somebody waits for it: every end is told. */
export function restoreEvent({ metadata, spec, status }: Restore): EventNote | undefined {
  const { phase, reason = "", message = "", snapshotID, restored } = status ?? {};
  if (!isTerminal(phase)) return undefined;
  const to = spec.target.path === undefined ? spec.target.hostRef : `${spec.target.path} on ${spec.target.hostRef}`;
  const from = snapshotID === undefined ? "" : ` of snapshot ${snapshotID.slice(0, 8)}`;
  const why = message === "" ? reason : phase === "Succeeded" ? message : `${reason}: ${message}`;
  const left = restored === undefined || spec.dryRun || phase === "Succeeded" ? "" : " What was written before stays.";
  const what = spec.dryRun ? "dry run of the restore" : "restore";
  const note = `The ${what} ${metadata.name}${from} to ${to} ${WORDS[phase]}: ${why.replace(/[.\s]+$/, "")}.${left}`;
  const type = phase === "Succeeded" || phase === "Cancelled" ? "Normal" : "Warning";
  return { type, reason: REASON[phase], action: "Restore", note };
}
