import type { ApplyDraft } from "../../operator/kube/client.ts";
import { KubeError } from "../../operator/kube/kube-error.ts";
import {
  apiVersionOf,
  idOf,
  type Key,
  type Kind,
  type KubeObject,
  keyOf,
  type Ref,
} from "../../operator/kube/resource.ts";
import { BEGIN } from "./process.ts";

export type AnyObject = KubeObject & { readonly spec?: object; readonly status?: object };

/** One accepted write, as watches tell it and invariants see it. */
export interface Accepted {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly kind: string;
  readonly key: Key;
  readonly resourceVersion: number;
  readonly before: AnyObject | undefined;
  /** Of a deletion: the last state, in a version of its own. */
  readonly object: AnyObject;
  /** Of a status write. */
  readonly manager?: string;
}

interface Stored {
  object: AnyObject;
  /** Who owns each leaf of the status. */
  readonly owners: Map<string, string>;
}

type Leaves = Map<string, unknown>;

/** An API server with the semantics that the operator leans on: versions, uids, server-side apply of whole statuses. */
export class ApiServer {
  /** Everything accepted so far, in order. */
  readonly history: Accepted[] = [];
  onAccepted: (write: Accepted) => void = () => {};
  readonly #objects = new Map<string, Map<Key, Stored>>();
  readonly #now: () => number;
  #version = 100;
  #uids = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  get version(): number {
    return this.#version;
  }

  find(kind: Kind<KubeObject>, key: Key): AnyObject | undefined {
    return this.#kind(kind).get(key)?.object;
  }

  all(kind: Kind<KubeObject>): AnyObject[] {
    return [...this.#kind(kind).values()].map(({ object }) => object);
  }

  get(kind: Kind<KubeObject>, ref: Ref): AnyObject {
    return this.#existing(kind, keyOf({ metadata: ref })).object;
  }

  create(kind: Kind<KubeObject>, draft: object): AnyObject {
    const { metadata, status: _, ...rest } = plain(draft) as AnyObject & { metadata: { name: string } };
    const key = keyOf({ metadata });
    if (this.#kind(kind).has(key)) throw new KubeError(409, "AlreadyExists", `${kind.kind} ${key} is there`);
    const object = {
      ...rest,
      apiVersion: apiVersionOf(kind),
      kind: kind.kind,
      metadata: {
        ...metadata,
        uid: metadata.uid ?? `uid-${++this.#uids}`,
        generation: 1,
        creationTimestamp: instant(BEGIN + this.#now()),
        resourceVersion: String(++this.#version),
      },
    };
    this.#kind(kind).set(key, { object, owners: new Map() });
    this.#tell({ type: "ADDED", kind: idOf(kind), key, before: undefined, object });
    return object;
  }

  /** A person's change of the spec or metadata. */
  edit(kind: Kind<KubeObject>, key: Key, change: { spec?: object; annotations?: object; labels?: object }): void {
    const stored = this.#kind(kind).get(key);
    if (stored === undefined) return;
    const before = stored.object;
    const { generation = 0, annotations, labels } = before.metadata;
    const metadata = {
      ...before.metadata,
      generation: generation + (change.spec === undefined ? 0 : 1),
      annotations: { ...annotations, ...change.annotations },
      labels: { ...labels, ...change.labels },
      resourceVersion: String(++this.#version),
    };
    stored.object = { ...before, spec: { ...before.spec, ...change.spec }, metadata };
    this.#tell({ type: "MODIFIED", kind: idOf(kind), key, before, object: stored.object });
  }

  /** Server-side apply of a manager's complete status, forced. */
  applyStatus(kind: Kind<KubeObject>, draft: ApplyDraft, manager: string): AnyObject {
    const { metadata, status = {} } = plain(draft) as unknown as AnyObject;
    const key = keyOf({ metadata });
    const stored = this.#existing(kind, key);
    const before = stored.object;
    const { uid, resourceVersion } = metadata;
    if (uid !== undefined && uid !== before.metadata.uid) throw conflict(key, "another uid");
    if (resourceVersion !== undefined && resourceVersion !== before.metadata.resourceVersion) {
      throw conflict(key, `version ${before.metadata.resourceVersion}, not ${resourceVersion}`);
    }
    const live: Leaves = new Map();
    flatten(before.status ?? {}, "", live);
    const wanted: Leaves = new Map();
    flatten(status, "", wanted);
    let changed = false;
    for (const [path, owner] of stored.owners) {
      if (owner !== manager || wanted.has(path)) continue;
      stored.owners.delete(path);
      live.delete(path);
      changed = true;
    }
    for (const [path, value] of wanted) {
      if (JSON.stringify(live.get(path)) !== JSON.stringify(value)) {
        live.set(path, value);
        changed = true;
      }
      stored.owners.set(path, manager);
    }
    if (!changed) return before;
    const version = String(++this.#version);
    stored.object = { ...before, metadata: { ...before.metadata, resourceVersion: version }, status: unflatten(live) };
    this.#tell({ type: "MODIFIED", kind: idOf(kind), key, before, object: stored.object, manager });
    return stored.object;
  }

  delete(kind: Kind<KubeObject>, key: Key, uid?: string): void {
    const { object: before } = this.#existing(kind, key);
    if (uid !== undefined && uid !== before.metadata.uid) throw conflict(key, "another uid");
    this.#kind(kind).delete(key);
    const metadata = { ...before.metadata, resourceVersion: String(++this.#version) };
    this.#tell({ type: "DELETED", kind: idOf(kind), key, before, object: { ...before, metadata } });
  }

  #kind(kind: Kind<KubeObject>): Map<Key, Stored> {
    const id = idOf(kind);
    let objects = this.#objects.get(id);
    if (objects === undefined) {
      objects = new Map();
      this.#objects.set(id, objects);
    }
    return objects;
  }

  #existing(kind: Kind<KubeObject>, key: Key): Stored {
    const stored = this.#kind(kind).get(key);
    if (stored === undefined) throw new KubeError(404, "NotFound", `${kind.kind} ${key} is not there`);
    return stored;
  }

  #tell(write: Omit<Accepted, "resourceVersion">): void {
    const accepted = { ...write, resourceVersion: this.#version };
    this.history.push(accepted);
    this.onAccepted(accepted);
  }
}

function conflict(key: Key, why: string): KubeError {
  return new KubeError(409, "Conflict", `the object ${key} has been modified: ${why}`);
}

/** What JSON would bring: nothing undefined, nothing shared. */
function plain(value: object): object {
  return JSON.parse(JSON.stringify(value));
}

/** Lists are one leaf each, but for conditions, which are a map by type. */
function flatten(value: object, prefix: string, into: Leaves): void {
  for (const [name, part] of Object.entries(value)) {
    if (part === null) continue;
    const path = `${prefix}${name}`;
    if (name === "conditions" && prefix === "") {
      for (const condition of part) into.set(`conditions[${condition.type}]`, condition);
    } else if (typeof part === "object" && !Array.isArray(part)) flatten(part, `${path}.`, into);
    else into.set(path, part);
  }
}

function unflatten(leaves: Leaves): object {
  const status: { [name: string]: unknown } = {};
  for (const [path, value] of leaves) {
    if (path.startsWith("conditions[")) {
      status["conditions"] = [...((status["conditions"] as unknown[] | undefined) ?? []), value];
      continue;
    }
    const names = path.split(".");
    let at = status;
    for (const name of names.slice(0, -1)) {
      at[name] ??= {};
      at = at[name] as typeof at;
    }
    at[names.at(-1)!] = value;
  }
  return status;
}

function instant(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
