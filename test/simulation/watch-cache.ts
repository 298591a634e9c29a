import { between, type Random } from "#base/random.ts";
import type { Expectation } from "../../operator/kube/informer.ts";
import { idOf, type Kind, type KubeObject, keyOf } from "../../operator/kube/resource.ts";
import { type Change, Store } from "../../operator/kube/store.ts";
import type { Heard } from "./api-client.ts";
import type { ApiServer } from "./api-server.ts";
import type { SimProcess } from "./process.ts";
import type { Timeline } from "./timeline.ts";

export interface WatchParts {
  readonly timeline: Timeline;
  readonly random: Random;
  readonly server: ApiServer;
  readonly process: SimProcess;
  readonly heard: Heard;
  /** How far behind the watches are just now: at the most so many ms. */
  readonly lag: { ms: number };
}

/**
 * The cache of one kind in one replica, on the operator's own store and indexes. Its watch is behind by as much as it is,
 * tells in order, and after a cut begins again with a list: of what happened meanwhile only the outcome is seen.
 */
export class WatchCache<T extends KubeObject> extends Store<T> {
  readonly kind: Kind<T>;
  readonly #parts: WatchParts;
  readonly #transform: (object: T) => T;
  readonly #handlers = new Set<(change: Change<T>) => void>();
  readonly #waiting = new Set<{ version: number; run: () => void }>();
  /** How far in the server's history this cache is; undefined: only a list can tell. */
  #at: number | undefined;
  #seen = 0;
  #pumpAt = 0;
  #cut = false;

  constructor(kind: Kind<T>, transform: ((object: T) => T) | undefined, parts: WatchParts) {
    super();
    this.kind = kind;
    this.#parts = parts;
    this.#transform = transform ?? ((object) => object);
  }

  get hasSynced(): boolean {
    return this.#seen > 0;
  }

  onChange(handler: (change: Change<T>) => void): () => void {
    const own = (change: Change<T>) => handler(change);
    for (const object of this.list()) own({ type: "added", object });
    this.#handlers.add(own);
    return () => this.#handlers.delete(own);
  }

  expect(written: KubeObject): Expectation {
    const version = Number(written.metadata.resourceVersion);
    const met = () => this.#seen >= version;
    return { met, whenMet: (run) => (met() ? run() : this.#waiting.add({ version, run })) };
  }

  /** The server has something new. */
  wake(): void {
    if (this.#cut) return;
    const { timeline, random, lag, process } = this.#parts;
    this.#pumpAt = Math.max(this.#pumpAt, timeline.now + between(random, 0, lag.ms));
    timeline.at(this.#pumpAt - timeline.now, () => process.enter(() => this.#pump()));
  }

  /** The watch breaks and cannot go on where it was. */
  cut(): void {
    this.#cut = true;
    this.#at = undefined;
  }

  mend(): void {
    this.#cut = false;
    this.wake();
  }

  #pump(): void {
    if (this.#cut) return;
    const { server } = this.#parts;
    if (this.#at === undefined) this.#list();
    else {
      const id = idOf(this.kind);
      for (; this.#at < server.history.length; this.#at++) {
        const write = server.history[this.#at]!;
        if (write.kind !== id) continue;
        if (write.type === "DELETED") this.#tell(this.delete(write.key));
        else this.#present(write.object as T);
      }
    }
    this.#seen = server.version;
    for (const waiting of this.#waiting) {
      if (this.#seen < waiting.version) continue;
      this.#waiting.delete(waiting);
      waiting.run();
    }
  }

  #list(): void {
    const { server } = this.#parts;
    this.#at = server.history.length;
    const present = server.all(this.kind) as T[];
    for (const object of present) this.#present(object);
    const keys = new Set(present.map(keyOf));
    for (const object of this.list()) {
      if (!keys.has(keyOf(object))) this.#tell(this.delete(keyOf(object)));
    }
  }

  #present(object: T): void {
    this.#parts.heard.note(idOf(this.kind), object);
    this.#tell(this.set(this.#transform(object)));
  }

  #tell(changes: readonly Change<T>[]): void {
    for (const change of changes) for (const handler of this.#handlers) handler(change);
  }
}

/** The caches of one replica: what operator/kube/informers.ts is to the operator. */
export class WatchCaches {
  readonly #parts: WatchParts;
  readonly #caches = new Map<string, WatchCache<KubeObject>>();

  constructor(parts: WatchParts) {
    this.#parts = parts;
  }

  of<T extends KubeObject>(kind: Kind<T>, options: { transform?: (object: T) => T } = {}): WatchCache<T> {
    let cache = this.#caches.get(idOf(kind)) as WatchCache<T> | undefined;
    if (cache === undefined) {
      cache = new WatchCache(kind, options.transform, this.#parts);
      this.#caches.set(idOf(kind), cache as unknown as WatchCache<KubeObject>);
    }
    return cache;
  }

  get all(): WatchCache<KubeObject>[] {
    return [...this.#caches.values()];
  }

  get hasSynced(): boolean {
    return this.all.every(({ hasSynced }) => hasSynced);
  }

  async synced(signal: AbortSignal): Promise<void> {
    while (!this.hasSynced) await this.#parts.process.sleep(100, signal);
  }

  expect(kind: Kind<KubeObject>, written: KubeObject): Expectation | undefined {
    return this.#caches.get(idOf(kind))?.expect(written);
  }

  wake(kind: string): void {
    this.#caches.get(kind)?.wake();
  }
}
