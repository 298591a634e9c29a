import type { CallOptions, Client } from "./client.ts";
import type { Expectation } from "./informer.ts";
import type { Key, Kind, KubeObject } from "./resource.ts";

/** Where expectations come from: Informers.expect. */
type Expect = (kind: Kind<KubeObject>, written: KubeObject) => Expectation | undefined;

/**
 * Read-your-writes for a controller (KEP-5647): what the reconcile of a key wrote, the caches must have heard before that
 * key is reconciled again. Else it would decide on a state it has already changed, and create twice. Deletions are not
 * waited for: their answer has no resourceVersion, and to delete again by uid does no harm.
 */
export class OwnWrites {
  readonly #expect: Expect;
  readonly #byKey = new Map<Key, Expectation[]>();

  constructor(expect: Expect) {
    this.#expect = expect;
  }

  /** Something the caches have not heard yet of what this key wrote; undefined when the key may be reconciled. */
  unmet(key: Key): Expectation | undefined {
    const unmet = this.#byKey.get(key)?.filter((expectation) => !expectation.met()) ?? [];
    if (unmet.length === 0) this.#byKey.delete(key);
    else this.#byKey.set(key, unmet);
    return unmet[0];
  }

  /** The client for one reconcile of `key`: its writes are remembered, and its calls end with `signal` by default. */
  client(key: Key, client: Client, signal: AbortSignal): Client {
    const remember = async <T extends KubeObject>(kind: Kind<T>, write: Promise<T>): Promise<T> => {
      const written = await write;
      const expectation = this.#expect(kind, written);
      if (expectation !== undefined && !expectation.met()) {
        const known = this.#byKey.get(key);
        if (known === undefined) this.#byKey.set(key, [expectation]);
        else known.push(expectation);
      }
      return written;
    };
    const bound = <O extends CallOptions>(options?: O) => ({ signal, ...options }) as O & { signal: AbortSignal };
    return {
      get: (kind, ref, options) => client.get(kind, ref, bound(options)),
      list: (kind, query, options) => client.list(kind, query, bound(options)),
      create: (kind, draft, options) => remember(kind, client.create(kind, draft, bound(options))),
      update: (kind, object, options) => remember(kind, client.update(kind, object, bound(options))),
      patch: (kind, ref, patch, options) => remember(kind, client.patch(kind, ref, patch, bound(options))),
      apply: (kind, draft, options) => remember(kind, client.apply(kind, draft, bound(options))),
      delete: (kind, ref, options) => client.delete(kind, ref, bound(options)),
    };
  }
}
