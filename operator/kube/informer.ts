import type { Clock } from "#base/clock.ts";
import { messageOf } from "#base/errors.ts";
import type { Random } from "#base/random.ts";
import type { WatchClient } from "./client.ts";
import type { Log } from "./log.ts";
import type { KubeMetrics } from "./metrics.ts";
import { type Mark, REFLECTOR_TIMING, Reflector } from "./reflector.ts";
import { type Key, type Kind, type KubeObject, keyOf, type Ref } from "./resource.ts";
import { type Change, type Index, type IndexFunction, Store } from "./store.ts";

export interface InformerOptions<T> {
  /** undefined for all; the operator runs with a Role in each namespace it watches, so that there is one watch in each. */
  readonly namespaces?: readonly string[] | undefined;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Makes what is kept smaller (log tails). `managedFields` are dropped always. Must be pure and accept anything. */
  readonly transform?: (object: T) => T;
  readonly timing?: typeof REFLECTOR_TIMING;
}

export interface InformerParts {
  readonly client: WatchClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: KubeMetrics;
}

const COMPLAIN_EACH_MS = 60_000;

/**
 * The cache of one kind, shared by everybody in the process, and the source of its changes. Read from it freely: it is
 * memory. It lags behind the API server, by milliseconds or, while that is away, by more.
 */
export class Informer<T extends KubeObject> {
  readonly kind: Kind<T>;
  readonly #store = new Store<T>();
  readonly #reflectors = new Map<string | undefined, Reflector<T>>();
  readonly #handlers = new Set<(change: Change<T>) => void>();
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #metrics: KubeMetrics;
  #complainedAt = Number.NEGATIVE_INFINITY;
  /** Throws of handlers since the last complaint. */
  #unlogged = 0;

  constructor(kind: Kind<T>, options: InformerOptions<T>, parts: InformerParts) {
    this.kind = kind;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#metrics = parts.metrics;
    const { labelSelector, fieldSelector, transform = (object) => object, timing = REFLECTOR_TIMING } = options;
    const namespaces = kind.namespaced && options.namespaces !== undefined ? options.namespaces : [undefined];
    for (const namespace of namespaces) {
      const reflector = new Reflector<T>({
        ...parts,
        kind,
        query: { namespace, labelSelector, fieldSelector },
        sink: {
          present: (object) => this.#tell(this.#store.set(object)),
          gone: (object) => this.#tell(this.#store.delete(keyOf(object))),
          listed: (keys) => {
            for (const object of this.#store.list(namespace)) {
              const key = keyOf(object);
              if (!keys.has(key)) this.#tell(this.#store.delete(key));
            }
          },
        },
        transform: (object) => transform(withoutManagedFields(object)),
        timing,
      });
      this.#reflectors.set(namespace, reflector);
    }
  }

  /** Every object there was at the start is in. Decide nothing on absence before. */
  get hasSynced(): boolean {
    return [...this.#reflectors.values()].every((reflector) => reflector.hasSynced);
  }

  get(at: Ref | Key): T | undefined {
    return this.#store.get(at);
  }

  list(namespace?: string): readonly T[] {
    return this.#store.list(namespace);
  }

  /** `const runsByHost = runs.index("host", (run) => [run.spec.host])`; asked for again by name, it is the first one. */
  index(name: string, of: IndexFunction<T>): Index<T> {
    return this.#store.index(name, of);
  }

  /**
   * Tells every change from now on, after one "added" for each object that is there. Handlers are called in order, one
   * at a time, and must be quick (put a key on a queue); one that throws is counted, logged and does not disturb the others.
   * Returns how to stop.
   */
  onChange(handler: (change: Change<T>) => void): () => void {
    // A wrapper of its own: the same function given twice is two subscriptions.
    const own = (change: Change<T>) => handler(change);
    for (const object of this.#store.list()) this.#call(own, { type: "added", object });
    this.#handlers.add(own);
    return () => this.#handlers.delete(own);
  }

  /** Keeps the cache until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const sample = (gauge: { set(labels: { kind: string }, value: number): void }) =>
      gauge.set({ kind: this.kind.plural }, this.#store.size);
    this.#metrics.objects.add(sample);
    await Promise.all([...this.#reflectors.values()].map((reflector) => reflector.run(signal)));
    this.#metrics.objects.delete(sample);
  }

  /**
   * For read-your-writes (own-writes.ts): what to wait for before this cache may be trusted to hold `written`, the answer
   * to a write; undefined when the cache does not cover its namespace.
   */
  expect(written: KubeObject): Expectation | undefined {
    const reflector = this.#reflectors.get(undefined) ?? this.#reflectors.get(written.metadata.namespace);
    if (reflector === undefined) return undefined;
    const mark: Mark = reflector.mark(written.metadata.resourceVersion);
    return { met: () => reflector.hasSeen(mark), whenMet: (run) => reflector.whenSeen(mark, run) };
  }

  #tell(changes: readonly Change<T>[]): void {
    for (const change of changes) for (const handler of this.#handlers) this.#call(handler, change);
  }

  #call(handler: (change: Change<T>) => void, change: Change<T>): void {
    try {
      handler(change);
    } catch (error) {
      this.#threw(error, change);
    }
  }

  /** A handler that throws does so for each of thousands of changes: all are counted, one a minute is logged. */
  #threw(error: unknown, change: Change<T>): void {
    this.#metrics.handlerErrors.inc({ kind: this.kind.plural });
    const now = this.#clock.monotonic();
    if (now - this.#complainedAt < COMPLAIN_EACH_MS) {
      this.#unlogged++;
      return;
    }
    const fields = { kind: this.kind.plural, key: keyOf(change.object), unlogged: this.#unlogged };
    this.#log.error({ ...fields, err: error, error: messageOf(error) }, "a change handler threw");
    this.#complainedAt = now;
    this.#unlogged = 0;
  }
}

export interface Expectation {
  met(): boolean;
  /** Calls `run` once it is met; at once when it is. */
  whenMet(run: () => void): void;
}

function withoutManagedFields<T extends KubeObject>(object: T): T {
  if (!("managedFields" in object.metadata)) return object;
  const { managedFields: _, ...metadata } = object.metadata as T["metadata"] & { managedFields?: unknown };
  return { ...object, metadata };
}
