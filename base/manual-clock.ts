import { type Clock, sleepOn } from "./clock.ts";

/** A clock that stands still until a test moves it. Wall and monotonic time move together; the wall may also jump. */
export class ManualClock implements Clock {
  readonly #timers = new Set<{ at: number; run: () => void }>();
  #wall: number;
  #elapsed = 0;

  constructor(wall: number = Date.UTC(2026, 0, 1)) {
    this.#wall = wall;
  }

  now(): number {
    return this.#wall + this.#elapsed;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#elapsed + Math.max(0, ms), run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, ms, signal);
  }

  /** Moves time on, running what is due in its order, and lets everything that this sets off come to rest. */
  async advance(ms: number): Promise<void> {
    const end = this.#elapsed + ms;
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      const [next] = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#elapsed = Math.max(this.#elapsed, next.at);
      next.run();
    }
    this.#elapsed = end;
  }

  /** The wall clock is set, as by an administrator or NTP; the monotonic part does not notice. */
  jump(ms: number): void {
    this.#wall += ms;
  }
}
