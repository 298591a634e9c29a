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
  const { phase, reason = "", message = "", snapshotID, restored, display } = status ?? {};
  if (!isTerminal(phase)) return undefined;
  const to = spec.target.path === undefined ? spec.target.hostRef : `${spec.target.path} on ${spec.target.hostRef}`;
  const from = snapshotID === undefined ? "" : ` of snapshot ${snapshotID.slice(0, 8)}`;
  const figures = restored === undefined ? "" : `, ${restored.files} files${display ? `, ${display.result}` : ""}`;
  const why = message === "" ? reason : `${reason}: ${message}`;
  const left = restored === undefined ? "" : " What was written before stays.";
  const end = phase === "Succeeded" ? `${figures}.` : `: ${why.replace(/[.\s]+$/, "")}.${left}`;
  const note = `The restore ${metadata.name}${from} to ${to} ${WORDS[phase]}${end}`;
  const type = phase === "Succeeded" || phase === "Cancelled" ? "Normal" : "Warning";
  return { type, reason: REASON[phase], action: "Restore", note };
}
