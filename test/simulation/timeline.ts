interface Entry {
  readonly at: number;
  readonly order: number;
  run: (() => void) | undefined;
}

/** Events handed to Node in one go: it still runs all promises of one before the next. */
const BATCH = 64;
/** Far more than any history takes: a clock that stands still is a loop in what is simulated. */
const MAX_EVENTS = 400_000;

/** The one virtual clock of a history and what is to happen on it, in the order of time and then of asking. */
export class Timeline {
  /** Milliseconds since the history began. */
  now = 0;
  /** Events run so far. */
  count = 0;
  readonly #heap: Entry[] = [];
  #order = 0;

  /** Runs `run` after `delayMs`; the returned function cancels it. */
  at(delayMs: number, run: () => void): () => void {
    const entry: Entry = { at: this.now + Math.max(0, delayMs), order: this.#order++, run };
    this.#push(entry);
    return () => {
      entry.run = undefined;
    };
  }

  /**
   * Moves time to `until`. After each event everything that it set off in promises comes to rest before the next one.
   * Rejects with what an event throws.
   */
  run(until: number): Promise<void> {
    return new Promise((resolve, reject) => {
      let over = false;
      const finish = (end: () => void) => {
        over = true;
        end();
      };
      const one = () => {
        if (over) return;
        try {
          if (this.#step(until)) return;
          this.now = until;
          finish(resolve);
        } catch (error) {
          finish(() => reject(error));
        }
      };
      const batch = () => {
        if (over) return;
        for (let count = 0; count < BATCH; count++) setImmediate(one);
        setImmediate(batch);
      };
      batch();
    });
  }

  /** False where nothing is left until then. */
  #step(until: number): boolean {
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.at > until) return false;
      this.#pop();
      if (next.run === undefined) continue;
      if (++this.count > MAX_EVENTS) throw new Error(`the clock stands still at ${this.now} ms: a loop`);
      this.now = next.at;
      next.run();
      return true;
    }
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(entry);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!before(entry, heap[parent]!)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
  }
}

function before(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
