import type { Repository } from "#crds/repository.ts";
import { findCondition } from "../../kube/conditions.ts";
import { generationChanged } from "../../kube/predicates.ts";
import type { Change } from "../../kube/store.ts";

/** What configurations and commands are made of has changed: the spec, the pinned id, whether it can be used. */
export function openingChanged(change: Change<Repository>): boolean {
  if (change.type !== "updated" || generationChanged(change)) return true;
  const { object, old } = change;
  return object.status?.repositoryID !== old.status?.repositoryID || reasonOf(object) !== reasonOf(old);
}

function reasonOf(repository: Repository): string | undefined {
  return findCondition(repository.status?.conditions, "Ready")?.reason;
}
