import { type Key, type KubeObject, keyOf, type Ref } from "./resource.ts";

/** What happened to one object. One deleted and created again under its name is a deletion and an addition. */
export type Change<T> =
  | { readonly type: "added"; readonly object: T }
  | { readonly type: "updated"; readonly object: T; readonly old: T }
  | { readonly type: "deleted"; readonly object: T };

/** The values an object is found by, in one index. */
export type IndexFunction<T> = (object: T) => readonly string[];

/** Looks up by value; the cost is that of the result. */
export type Index<T> = (value: string) => readonly T[];

/** Objects of one kind by key, with indexes. What it holds is frozen to the last field: everybody shares it. */
export class Store<T extends KubeObject> {
  readonly #objects = new Map<Key, T>();
  readonly #indexes = new Map<string, { of: IndexFunction<T>; buckets: Map<string, Map<Key, T>> }>();
  readonly #byNamespace: Index<T>;

  constructor() {
    // The name is one no caller can collide with by accident.
    this.#byNamespace = this.index("metadata.namespace", (object) => [object.metadata.namespace ?? ""]);
  }

  get size(): number {
    return this.#objects.size;
  }

  get(at: Ref | Key): T | undefined {
    return this.#objects.get(typeof at === "string" ? at : keyOf({ metadata: at }));
  }

  /** Of one namespace or of all. */
  list(namespace?: string): readonly T[] {
    return namespace === undefined ? [...this.#objects.values()] : this.#byNamespace(namespace);
  }

  /** Adds an index over what is there and what comes. The name is for sharing: asked for again, it is the first one. */
  index(name: string, of: IndexFunction<T>): Index<T> {
    let index = this.#indexes.get(name);
    if (index === undefined) {
      index = { of, buckets: new Map() };
      this.#indexes.set(name, index);
      for (const [key, object] of this.#objects) enter(index.buckets, of(object), key, object);
    }
    const { buckets } = index;
    return (value) => [...(buckets.get(value)?.values() ?? [])];
  }

  /** Puts an object in; what changed by that: nothing when it is there in this very version. */
  set(object: T): Change<T>[] {
    const key = keyOf(object);
    const old = this.#objects.get(key);
    if (old?.metadata.uid === object.metadata.uid && old.metadata.resourceVersion === object.metadata.resourceVersion) {
      return [];
    }
    deepFreeze(object);
    this.#replace(key, old, object);
    if (old === undefined) return [{ type: "added", object }];
    if (old.metadata.uid === object.metadata.uid) return [{ type: "updated", object, old }];
    return [
      { type: "deleted", object: old },
      { type: "added", object },
    ];
  }

  /** Takes an object out, if it is there. */
  delete(key: Key): Change<T>[] {
    const old = this.#objects.get(key);
    if (old === undefined) return [];
    this.#replace(key, old, undefined);
    return [{ type: "deleted", object: old }];
  }

  #replace(key: Key, old: T | undefined, object: T | undefined): void {
    if (object === undefined) this.#objects.delete(key);
    else this.#objects.set(key, object);
    for (const { of, buckets } of this.#indexes.values()) {
      if (old !== undefined) leave(buckets, of(old), key);
      if (object !== undefined) enter(buckets, of(object), key, object);
    }
  }
}

function enter<T>(buckets: Map<string, Map<Key, T>>, values: readonly string[], key: Key, object: T): void {
  for (const value of values) {
    const bucket = buckets.get(value);
    if (bucket === undefined) buckets.set(value, new Map([[key, object]]));
    else bucket.set(key, object);
  }
}

function leave<T>(buckets: Map<string, Map<Key, T>>, values: readonly string[], key: Key): void {
  for (const value of values) {
    const bucket = buckets.get(value);
    bucket?.delete(key);
    if (bucket?.size === 0) buckets.delete(value);
  }
}

function deepFreeze(value: unknown): void {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return;
  Object.freeze(value);
  for (const part of Object.values(value)) deepFreeze(part);
}
