import type { Key } from "./resource.ts";

/**
 * client-go's queue without its shell, a pure state machine: a key waits at most once; one that is added again while it
 * is processed waits until that is done and then runs once more, so it never runs twice at once and no add is lost.
 */
export class QueueState {
  /** What must still be processed: waiting, or added again while processing. */
  readonly #dirty = new Set<Key>();
  readonly #processing = new Set<Key>();
  /** In the order of adding; a Set keeps it, and takes from the front in constant time. */
  readonly #waiting = new Set<Key>();
  #draining = false;

  /** How many wait. */
  get length(): number {
    return this.#waiting.size;
  }

  get processing(): number {
    return this.#processing.size;
  }

  /** True when the key is new in the queue; false when it was there already, or nothing is taken any more. */
  add(key: Key): boolean {
    if (this.#draining || this.#dirty.has(key)) return false;
    this.#dirty.add(key);
    if (!this.#processing.has(key)) this.#waiting.add(key);
    return true;
  }

  /** The key that waits longest, now being processed until done(key); undefined when none waits. */
  take(): Key | undefined {
    const key = this.#waiting.values().next().value;
    if (key === undefined) return undefined;
    this.#waiting.delete(key);
    this.#dirty.delete(key);
    this.#processing.add(key);
    return key;
  }

  /** Ends the processing of a key; true when it waits again because it was added meanwhile. */
  done(key: Key): boolean {
    this.#processing.delete(key);
    if (!this.#dirty.has(key)) return false;
    this.#waiting.add(key);
    return true;
  }

  /** Takes nothing any more and forgets what waits: whoever runs next finds it again, the work being level-triggered. */
  drain(): void {
    this.#draining = true;
    this.#waiting.clear();
    this.#dirty.clear();
  }

  get drained(): boolean {
    return this.#draining && this.#processing.size === 0;
  }
}
