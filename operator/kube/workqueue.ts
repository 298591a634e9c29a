import type { Clock } from "#base/clock.ts";
import { DelayHeap } from "./delay-heap.ts";
import type { KubeMetrics } from "./metrics.ts";
import type { Key } from "./resource.ts";
import { QueueState } from "./workqueue-state.ts";

/** client-go's DefaultTypedControllerRateLimiter, per item. */
const FIRST_RETRY_MS = 5;
const LONGEST_RETRY_MS = 1_000_000;

/** 5 ms, doubled with each failure in a row, at most 1000 s. `failures` counts from 1. */
export function retryBackoff(failures: number): number {
  return Math.min(FIRST_RETRY_MS * 2 ** (failures - 1), LONGEST_RETRY_MS);
}

/** The queue of one controller: QueueState with waiting takers, delays, retries and the workqueue_* metrics. */
export class WorkQueue {
  readonly #name: string;
  readonly #clock: Clock;
  readonly #metrics: KubeMetrics;
  readonly #state = new QueueState();
  readonly #delayed = new DelayHeap();
  readonly #failures = new Map<Key, number>();
  readonly #addedAt = new Map<Key, number>();
  readonly #startedAt = new Map<Key, number>();
  readonly #takers: ((key: Key | undefined) => void)[] = [];
  readonly #whenDrained: (() => void)[] = [];
  readonly #unregister: () => void;
  #cancelTimer: () => void = () => {};
  #timerAt = Number.POSITIVE_INFINITY;
  #draining = false;

  constructor(options: { readonly name: string; readonly clock: Clock; readonly metrics: KubeMetrics }) {
    this.#name = options.name;
    this.#clock = options.clock;
    this.#metrics = options.metrics;
    this.#unregister = this.#register();
  }

  /** How many wait, those with a delay apart. */
  get length(): number {
    return this.#state.length;
  }

  add(key: Key): void {
    if (!this.#state.add(key)) return;
    this.#metrics.queueAdds.inc({ name: this.#name });
    this.#addedAt.set(key, this.#clock.monotonic());
    this.#hand();
  }

  addAfter(key: Key, ms: number): void {
    if (this.#draining) return;
    if (ms <= 0) {
      this.add(key);
      return;
    }
    this.#delayed.add(key, this.#clock.monotonic() + ms);
    this.#arm();
  }

  /** After a failure: adds the key after its own backoff, at most `longestMs`; returned in ms. */
  addRateLimited(key: Key, longestMs = LONGEST_RETRY_MS): number {
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    this.#metrics.queueRetries.inc({ name: this.#name });
    const delay = Math.min(retryBackoff(failures), longestMs);
    this.addAfter(key, delay);
    return delay;
  }

  /** After a success: the next failure is the first again. */
  forget(key: Key): void {
    this.#failures.delete(key);
  }

  /** The next key, as soon as there is one; done(key) must follow. undefined: the queue drains, stop asking. */
  take(): Promise<Key | undefined> {
    if (this.#draining) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.#takers.push(resolve);
      this.#hand();
    });
  }

  done(key: Key): void {
    const started = this.#startedAt.get(key);
    this.#startedAt.delete(key);
    const now = this.#clock.monotonic();
    if (started !== undefined) this.#metrics.workSeconds.observe({ name: this.#name }, (now - started) / 1000);
    if (this.#state.done(key)) this.#hand();
    if (this.#state.drained) this.#end();
  }

  /** Hands nothing out any more; resolves when all that was handed out is done. */
  async drain(): Promise<void> {
    if (!this.#draining) {
      this.#draining = true;
      this.#state.drain();
      this.#delayed.clear();
      this.#cancelTimer();
      for (const resolve of this.#takers.splice(0)) resolve(undefined);
    }
    if (!this.#state.drained) await new Promise<void>((resolve) => this.#whenDrained.push(resolve));
    else this.#end();
  }

  #hand(): void {
    while (this.#takers.length > 0) {
      const key = this.#state.take();
      if (key === undefined) return;
      const now = this.#clock.monotonic();
      const waited = now - (this.#addedAt.get(key) ?? now);
      this.#addedAt.delete(key);
      this.#metrics.queueSeconds.observe({ name: this.#name }, waited / 1000);
      this.#startedAt.set(key, now);
      this.#takers.shift()?.(key);
    }
  }

  #arm(): void {
    const next = this.#delayed.next ?? Number.POSITIVE_INFINITY;
    if (next >= this.#timerAt) return;
    this.#cancelTimer();
    this.#timerAt = next;
    this.#cancelTimer = this.#clock.after(next - this.#clock.monotonic(), () => {
      this.#timerAt = Number.POSITIVE_INFINITY;
      const now = this.#clock.monotonic();
      for (let key = this.#delayed.take(now); key !== undefined; key = this.#delayed.take(now)) this.add(key);
      this.#arm();
    });
  }

  #end(): void {
    this.#unregister();
    for (const resolve of this.#whenDrained.splice(0)) resolve();
  }

  #register(): () => void {
    const name = this.#name;
    type Settable = { set(labels: { name: string }, value: number): void };
    const ages = () => [...this.#startedAt.values()].map((started) => (this.#clock.monotonic() - started) / 1000);
    const depth = (gauge: Settable) => gauge.set({ name }, this.#state.length);
    const unfinished = (gauge: Settable) =>
      gauge.set(
        { name },
        ages().reduce((sum, age) => sum + age, 0),
      );
    const longest = (gauge: Settable) => gauge.set({ name }, Math.max(0, ...ages()));
    this.#metrics.queueDepth.add(depth);
    this.#metrics.unfinishedSeconds.add(unfinished);
    this.#metrics.longestRunningSeconds.add(longest);
    return () => {
      this.#metrics.queueDepth.delete(depth);
      this.#metrics.unfinishedSeconds.delete(unfinished);
      this.#metrics.longestRunningSeconds.delete(longest);
    };
  }
}
