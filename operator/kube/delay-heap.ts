import type { Key } from "./resource.ts";

interface Entry {
  readonly key: Key;
  at: number;
  index: number;
}

/** Keys by the time they are due, a binary heap; each key once, at the earliest time asked for, as in client-go. */
export class DelayHeap {
  readonly #heap: Entry[] = [];
  readonly #entries = new Map<Key, Entry>();

  get size(): number {
    return this.#heap.length;
  }

  /** When the first is due; undefined when there is none. */
  get next(): number | undefined {
    return this.#heap[0]?.at;
  }

  add(key: Key, at: number): void {
    const known = this.#entries.get(key);
    if (known !== undefined) {
      if (at >= known.at) return;
      known.at = at;
      this.#up(known);
      return;
    }
    const entry = { key, at, index: this.#heap.length };
    this.#entries.set(key, entry);
    this.#heap.push(entry);
    this.#up(entry);
  }

  /** Takes out the first key if it is due at `now`. */
  take(now: number): Key | undefined {
    const first = this.#heap[0];
    if (first === undefined || first.at > now) return undefined;
    this.#entries.delete(first.key);
    const last = this.#heap.pop();
    if (last !== undefined && last !== first) {
      this.#place(last, 0);
      this.#down(last);
    }
    return first.key;
  }

  clear(): void {
    this.#heap.length = 0;
    this.#entries.clear();
  }

  #place(entry: Entry, index: number): void {
    this.#heap[index] = entry;
    entry.index = index;
  }

  #up(entry: Entry): void {
    while (entry.index > 0) {
      const above = (entry.index - 1) >> 1;
      const parent = this.#heap[above] as Entry;
      if (parent.at <= entry.at) return;
      this.#place(parent, entry.index);
      this.#place(entry, above);
    }
  }

  #down(entry: Entry): void {
    for (;;) {
      const left = this.#heap[2 * entry.index + 1];
      const right = this.#heap[2 * entry.index + 2];
      const smaller = right !== undefined && left !== undefined && right.at < left.at ? right : left;
      if (smaller === undefined || smaller.at >= entry.at) return;
      const below = smaller.index;
      this.#place(smaller, entry.index);
      this.#place(entry, below);
    }
  }
}
