import type { Clock } from "#base/clock.ts";

/** Lets `burst` through at once and `perSecond` in the long run. For writes that may be left out: progress, Events. */
export class TokenBucket {
  readonly #perMs: number;
  readonly #burst: number;
  readonly #clock: Clock;
  #tokens: number;
  #at: number;

  constructor(options: { readonly perSecond: number; readonly burst: number; readonly clock: Clock }) {
    this.#perMs = options.perSecond / 1000;
    this.#burst = options.burst;
    this.#clock = options.clock;
    this.#tokens = options.burst;
    this.#at = options.clock.monotonic();
  }

  /** 0 when a token was taken; else in how many ms there will be one, and nothing is taken. */
  take(): number {
    const wait = this.wait();
    if (wait === 0) this.#tokens--;
    return wait;
  }

  /** In how many ms there will be a token; 0 where there is one. Nothing is taken. */
  wait(): number {
    const now = this.#clock.monotonic();
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#at) * this.#perMs);
    this.#at = now;
    return this.#tokens < 1 ? Math.ceil((1 - this.#tokens) / this.#perMs) : 0;
  }
}
