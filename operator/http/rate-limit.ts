import type { Clock } from "#base/clock.ts";
import { Refusal } from "../hub/refusal.ts";
import { TokenBucket } from "../kube/token-bucket.ts";

export class RateLimited extends Refusal {
  readonly retryAfterSeconds: number;

  constructor(status: 429 | 503, message: string, waitMs: number) {
    super(status, status === 429 ? "too_many_requests" : "busy", message);
    this.retryAfterSeconds = Math.max(1, Math.ceil(waitMs / 1000));
  }
}

export interface Rates {
  readonly each: { readonly perSecond: number; readonly burst: number };
  readonly all: { readonly perSecond: number; readonly burst: number };
}

/** Addresses remembered; an attacker with more of them meets the limit for all. */
const MAX_ADDRESSES = 4096;

/** Bounds what unauthenticated requests can cost: for each address, and for all of them together. */
export class RateLimit {
  readonly #rates: Rates;
  readonly #clock: Clock;
  readonly #all: TokenBucket;
  readonly #each = new Map<string, TokenBucket>();

  constructor(rates: Rates, clock: Clock) {
    this.#rates = rates;
    this.#clock = clock;
    this.#all = new TokenBucket({ ...rates.all, clock });
  }

  /** Throws RateLimited. The address's own limit comes first: one of them must not use up what is for all. */
  admit(address: string): void {
    const own = this.#of(address).take();
    if (own > 0) throw new RateLimited(429, "too many requests from this address; wait and try again", own);
    const all = this.#all.take();
    if (all > 0) throw new RateLimited(503, "too many requests at the moment; wait and try again", all);
  }

  #of(address: string): TokenBucket {
    const bucket = this.#each.get(address) ?? new TokenBucket({ ...this.#rates.each, clock: this.#clock });
    // The most recently seen last: those at the front have been quiet for longest.
    this.#each.delete(address);
    this.#each.set(address, bucket);
    if (this.#each.size > MAX_ADDRESSES) this.#each.delete(this.#each.keys().next().value ?? "");
    return bucket;
  }
}
