import { between, type Random } from "#base/random.ts";

export interface BackoffPlan {
  readonly firstMs: number;
  readonly factor: number;
  readonly longestMs: number;
  /** Asked again after this long without a failure, it begins at the first delay. */
  readonly forgetAfterMs: number;
}

/** Growing delays between attempts, jittered so that many clients do not come back at once. Pure but for its state. */
export class Backoff {
  readonly #plan: BackoffPlan;
  readonly #random: Random;
  #failures = 0;
  #readyAt = Number.NEGATIVE_INFINITY;

  constructor(plan: BackoffPlan, random: Random) {
    this.#plan = plan;
    this.#random = random;
  }

  /** How long to wait after a failure at `now` (monotonic ms): half to all of first * factor^n, at most the longest. */
  next(now: number): number {
    const { firstMs, factor, longestMs, forgetAfterMs } = this.#plan;
    if (now - this.#readyAt > forgetAfterMs) this.#failures = 0;
    const delay = Math.min(firstMs * factor ** this.#failures, longestMs);
    if (delay < longestMs) this.#failures++;
    const jittered = between(this.#random, delay / 2, delay);
    this.#readyAt = now + jittered;
    return jittered;
  }
}
