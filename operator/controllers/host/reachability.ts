import type { Host } from "#crds/host.ts";
import { findCondition } from "../../kube/conditions.ts";
import { generationChanged, labelsChanged } from "../../kube/predicates.ts";
import type { Change } from "../../kube/store.ts";

/** What others ask of a host has changed: its labels, its spec, whether it is connected. Not: what its runs came to. */
export function reachabilityChanged(change: Change<Host>): boolean {
  if (change.type !== "updated" || generationChanged(change) || labelsChanged(change)) return true;
  const { object, old } = change;
  return ["Connected", "IdentityConflict"].some((type) => statusOf(object, type) !== statusOf(old, type));
}

function statusOf(host: Host, type: string): string | undefined {
  return findCondition(host.status?.conditions, type)?.status;
}
