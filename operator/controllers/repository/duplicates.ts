import type { Repository } from "#crds/repository.ts";
import { findCondition } from "../../kube/conditions.ts";
import { type Key, keyOf } from "../../kube/resource.ts";
import type { Caches } from "../caches.ts";
import type { ConditionReason } from "../reasons.ts";
import type { Surroundings } from "./readiness.ts";
import { canonicalURL } from "./url.ts";

const ON_THE_WAY: ReadonlySet<string> = new Set<ConditionReason>(["Opening", "WaitingForHost"]);

type Indexes = Pick<Caches, "repositoriesByURL" | "repositoriesByID">;

/** The other Repository that is the same one and takes precedence over this. */
export function duplicateOf(repository: Repository, caches: Indexes): Surroundings["duplicateOf"] {
  for (const [by, others] of alike(repository, caches)) {
    const [first] = others.sort(precedence);
    if (first === undefined || first.metadata.uid === repository.metadata.uid) continue;
    const { conditions, repositoryID } = first.status ?? {};
    const ready = findCondition(conditions, "Ready");
    const neverWorked = repositoryID === undefined && ready?.status === "False" && !ON_THE_WAY.has(ready.reason);
    return { key: keyOf(first), by, ...(neverWorked && { trouble: ready.reason }) };
  }
  return undefined;
}

/** Whose answer may depend on this one. */
export function alikeKeys(repository: Repository, caches: Indexes): Key[] {
  return alike(repository, caches).flatMap(([, others]) => others.map(keyOf));
}

function alike(repository: Repository, caches: Indexes): ["url" | "id", Repository[]][] {
  const url = canonicalURL(repository.spec.url);
  const id = repository.status?.repositoryID;
  return [
    ["url", url === undefined ? [] : [...caches.repositoriesByURL(url)]],
    ["id", id === undefined ? [] : [...caches.repositoriesByID(id)]],
  ];
}

/** One that was opened has snapshots to lose; an older one that never was is most likely the mistake. Then by age, by name. */
function precedence(a: Repository, b: Repository): number {
  const opened = Number(b.status?.repositoryID !== undefined) - Number(a.status?.repositoryID !== undefined);
  return opened || created(a) - created(b) || (keyOf(a) < keyOf(b) ? -1 : 1);
}

function created({ metadata }: Repository): number {
  return Date.parse(metadata.creationTimestamp ?? "");
}
