import type { Key } from "./resource.ts";

/** events.k8s.io's own: a series not continued for this long is over, and the next occurrence a new Event. */
const SERIES_ENDS_MS = 360_000;
/** A repeated Event costs at most one write in this time. */
const WRITE_EVERY_MS = 60_000;
/** Series remembered at once; the one that was silent longest is forgotten first. */
const LARGEST = 1024;

export interface Series {
  /** What was created for it; undefined while it is not. */
  name: string | undefined;
  count: number;
  /** Wall ms, for the Event. */
  lastObserved: number;
  /** Monotonic ms. */
  touchedAt: number;
  writtenAt: number;
  writtenCount: number;
}

/** Counts how often what happened, so that a thousand failures of a kind are one Event with a count. Pure. */
export class SeriesBook {
  readonly #series = new Map<Key, Series>();

  /** The series this occurrence belongs to; a count of 1 means that an Event is to be created. */
  observe(key: Key, wall: number, now: number): Series {
    const known = this.#series.get(key);
    this.#series.delete(key); // and in again at the end: the Map's order is that of last use
    if (known !== undefined && now - known.touchedAt < SERIES_ENDS_MS) {
      known.count++;
      known.lastObserved = wall;
      known.touchedAt = now;
      this.#series.set(key, known);
      return known;
    }
    const fresh = { name: undefined, count: 1, lastObserved: wall, touchedAt: now, writtenAt: now, writtenCount: 1 };
    this.#series.set(key, fresh);
    if (this.#series.size > LARGEST) this.forget(this.#series.keys().next().value as Key);
    return fresh;
  }

  forget(key: Key): void {
    this.#series.delete(key);
  }

  /** Series whose count has grown and may be written again; they count as written. Forgets those that are over. */
  due(now: number): [Key, Series][] {
    const due: [Key, Series][] = [];
    for (const [key, series] of this.#series) {
      if (series.count > series.writtenCount && series.name !== undefined && now - series.writtenAt >= WRITE_EVERY_MS) {
        series.writtenAt = now;
        series.writtenCount = series.count;
        due.push([key, series]);
      } else if (now - series.touchedAt >= SERIES_ENDS_MS) this.#series.delete(key);
    }
    return due;
  }
}
