import type { Clock } from "#base/clock.ts";
import { TokenBucket } from "./token-bucket.ts";

/** Keys remembered; one that is forgotten begins with a full bucket again. */
const MAX_KEYS = 4096;

/** A token bucket for each key (an address, a host), bounded in number. */
export class TokenBuckets {
  readonly #options: { readonly perSecond: number; readonly burst: number; readonly clock: Clock };
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(options: { readonly perSecond: number; readonly burst: number; readonly clock: Clock }) {
    this.#options = options;
  }

  /** As TokenBucket.take. */
  take(key: string): number {
    const bucket = this.#buckets.get(key) ?? new TokenBucket(this.#options);
    // The most recently seen last: those at the front have been quiet for longest.
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > MAX_KEYS) this.#buckets.delete(this.#buckets.keys().next().value ?? "");
    return bucket.take();
  }

  /** As TokenBucket.wait; a key that has taken nothing has nothing to wait for. */
  wait(key: string): number {
    return this.#buckets.get(key)?.wait() ?? 0;
  }
}
