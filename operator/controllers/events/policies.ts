import type { BackupPolicy } from "#crds/backuppolicy.ts";
import { findCondition } from "../../kube/conditions.ts";
import type { EventNote } from "../../kube/events.ts";
import { Annotation } from "../kinds.ts";
import { runRequest } from "../policy/requests.ts";
import { some } from "../readiness.ts";
import type { EventReason } from "../reasons.ts";

/** What to tell of hosts that have had no success for too long, and of the last of them that has one again. */
export function overdueEvent(before: BackupPolicy | undefined, after: BackupPolicy): EventNote | undefined {
  const overdue = after.status?.hosts?.overdue ?? 0;
  const were = before?.status?.hosts?.overdue ?? 0;
  const action = "Backup";
  const { name } = after.metadata;
  if (overdue === 0 && were > 0) {
    const note = `No host of BackupPolicy ${name} is overdue any more.`;
    return { type: "Normal", reason: "BackupsOnTime" satisfies EventReason, action, note };
  }
  if (overdue <= were) return undefined;
  const named = (after.status?.failing ?? []).filter(({ reason }) => reason === "Overdue").map(({ host }) => host);
  const which = named.length === 0 ? "" : ` (${some(named)})`;
  const ready = findCondition(after.status?.conditions, "Ready");
  const look = named[0] === undefined ? "kubectl get hosts" : `kubectl describe host ${named[0]}`;
  const why =
    ready?.status === "False" ? `It is not ready: ${ready.message}` : `Look whether their agents run: ${look}`;
  const note = `${overdue} of ${after.status?.hosts?.selected ?? overdue} hosts of BackupPolicy ${name} have had no success in the last two slots of its schedule${which}. ${why}`;
  return { type: "Warning", reason: "BackupsOverdue" satisfies EventReason, action, note };
}

/** What to tell of a request by annotation that cannot be one. It stays there, so it is told when it comes only. */
export function requestEvent(before: BackupPolicy | undefined, after: BackupPolicy): EventNote | undefined {
  const asked = (policy: BackupPolicy | undefined) => policy?.metadata.annotations?.[Annotation.runRequestedAt];
  if (asked(before) === asked(after)) return undefined;
  const request = runRequest(after);
  if (request === undefined || !("refused" in request)) return undefined;
  return {
    type: "Warning",
    reason: "RunRequestRefused" satisfies EventReason,
    action: "StartRuns",
    note: request.refused,
  };
}
