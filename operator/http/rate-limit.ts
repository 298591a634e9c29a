import type { Clock } from "#base/clock.ts";
import { networkOf } from "../hub/network-of.ts";
import { Refusal } from "../hub/refusal.ts";
import { TokenBucket } from "../kube/token-bucket.ts";
import { TokenBuckets } from "../kube/token-buckets.ts";

export interface Rates {
  readonly each: { readonly perSecond: number; readonly burst: number };
  readonly all: { readonly perSecond: number; readonly burst: number };
}

/** Bounds what unauthenticated requests can cost: for each address, and for all of them together. */
export class RateLimit {
  readonly #all: TokenBucket;
  readonly #each: TokenBuckets;

  constructor(rates: Rates, clock: Clock) {
    this.#all = new TokenBucket({ ...rates.all, clock });
    this.#each = new TokenBuckets({ ...rates.each, clock });
  }

  /** Throws Refusal. The address's own limit comes first: one of them must not use up what is for all. */
  admit(address: string): void {
    const own = this.#each.take(networkOf(address));
    const message = "too many requests from this address; wait and try again";
    if (own > 0) throw new Refusal(429, "too_many_requests", message, own);
    const all = this.#all.take();
    if (all > 0) throw new Refusal(503, "busy", "too many requests at the moment; wait and try again", all);
  }
}
