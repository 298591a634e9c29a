import type { KubeObject } from "./resource.ts";
import type { Change } from "./store.ts";

/** Whether a change is worth a reconcile. Additions and deletions always are. */
export type Predicate<T> = (change: Change<T>) => boolean;

/**
 * The spec changed, or the object began to be deleted: the API server counts both. Lets everything through of kinds that
 * have no generation (Secret, ConfigMap, Lease). Status and annotations do not bump it.
 */
export function generationChanged(change: Change<KubeObject>): boolean {
  if (change.type !== "updated") return true;
  const { generation } = change.object.metadata;
  return generation === undefined || generation !== change.old.metadata.generation;
}

export function annotationsChanged(change: Change<KubeObject>): boolean {
  return change.type !== "updated" || !same(change.old.metadata.annotations, change.object.metadata.annotations);
}

export function labelsChanged(change: Change<KubeObject>): boolean {
  return change.type !== "updated" || !same(change.old.metadata.labels, change.object.metadata.labels);
}

/** `anyOf(generationChanged, annotationsChanged)` for kinds that take requests by annotation. */
export function anyOf<T>(...predicates: Predicate<T>[]): Predicate<T> {
  return (change) => predicates.some((predicate) => predicate(change));
}

function same(a: Readonly<Record<string, string>> = {}, b: Readonly<Record<string, string>> = {}): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}
