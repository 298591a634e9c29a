import type { Clock } from "#base/clock.ts";

/**
 * A signal that aborts with the reason of whichever parent aborts first, or with `late()` after `ms` milliseconds.
 * Dispose of it (`using`) when the work is over: AbortSignal.any and AbortSignal.timeout would stay registered with
 * parents that live as long as the process.
 */
export class Deadline implements Disposable {
  readonly #controller = new AbortController();
  readonly #parents: readonly AbortSignal[];
  readonly #cancelTimer: () => void;
  readonly #onAbort = (event: { target: EventTarget | null }) =>
    this.#controller.abort((event.target as AbortSignal).reason);

  constructor(clock: Clock, ms: number, parents: readonly (AbortSignal | undefined)[], late: () => unknown) {
    this.#parents = parents.filter((parent) => parent !== undefined);
    for (const parent of this.#parents) {
      if (parent.aborted) this.#controller.abort(parent.reason);
      else parent.addEventListener("abort", this.#onAbort, { once: true });
    }
    this.#cancelTimer = clock.after(ms, () => this.#controller.abort(late()));
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    this.#cancelTimer();
    for (const parent of this.#parents) parent.removeEventListener("abort", this.#onAbort);
  }
}
