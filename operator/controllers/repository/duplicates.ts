import type { Repository } from "#crds/repository.ts";
import { type Key, keyOf } from "../../kube/resource.ts";
import type { Caches } from "../caches.ts";
import type { Surroundings } from "./readiness.ts";
import { canonicalURL } from "./url.ts";

type Indexes = Pick<Caches, "repositoriesByURL" | "repositoriesByID">;

/** The oldest other Repository that is the same one and older than this. */
export function duplicateOf(repository: Repository, caches: Indexes): Surroundings["duplicateOf"] {
  for (const [by, others] of alike(repository, caches)) {
    const [first] = others.sort(older);
    if (first !== undefined && first.metadata.uid !== repository.metadata.uid) return { key: keyOf(first), by };
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

function older({ metadata: a }: Repository, { metadata: b }: Repository): number {
  const [first, second] = [Date.parse(a.creationTimestamp ?? ""), Date.parse(b.creationTimestamp ?? "")];
  return first === second ? (a.uid < b.uid ? -1 : 1) : first - second;
}
