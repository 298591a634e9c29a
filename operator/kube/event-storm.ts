/** Of one reason this many Events about different objects are written at once ... */
const BURST = 10;
/** ... and then one in this time, which speaks for all that were held back meanwhile. */
const ONE_EVERY_MS = 30_000;

/** What was held back of one group: how many Events, the newest of them, and since when (wall ms). */
export interface Held<T> {
  readonly newest: T;
  readonly count: number;
  readonly since: number;
}

interface Group<T> {
  /** As of `at`, monotonic ms. */
  tokens: number;
  at: number;
  held: Held<T> | undefined;
}

/**
 * Keeps a thousand objects with one trouble from being a thousand Events: client-go's spam filter, a token bucket, but over
 * the objects of a group (those of one kind and namespace, with one reason) instead of over the reasons of an object,
 * which are few here. What it holds back is counted, never forgotten. Pure.
 */
export class StormGuard<T> {
  readonly #groups = new Map<string, Group<T>>();
  readonly #displaced: (item: T) => void;

  /** `displaced` is called with each that is held back and will not be told itself, because a newer one stands for it. */
  constructor(displaced: (item: T) => void) {
    this.#displaced = displaced;
  }

  /** True: tell it. False: it is held back, and `due` will give one for all of them. `wall` and `now` in ms. */
  admit(name: string, item: T, wall: number, now: number): boolean {
    const group = this.#refilled(name, now);
    // Who is held back goes first.
    if (group.held === undefined && group.tokens >= 1) {
      group.tokens--;
      return true;
    }
    const { newest, count, since } = group.held ?? { newest: undefined, count: 0, since: wall };
    if (newest !== undefined) this.#displaced(newest);
    group.held = { newest: item, count: count + 1, since };
    return false;
  }

  /** What may now be told for those held back; it counts as told. Forgets the groups that have long been quiet. */
  due(now: number): Held<T>[] {
    const due: Held<T>[] = [];
    for (const name of this.#groups.keys()) {
      const group = this.#refilled(name, now);
      if (group.held !== undefined && group.tokens >= 1) {
        due.push(group.held);
        group.held = undefined;
        group.tokens--;
      } else if (group.held === undefined && group.tokens === BURST) this.#groups.delete(name);
    }
    return due;
  }

  #refilled(name: string, now: number): Group<T> {
    const group = this.#groups.get(name) ?? { tokens: BURST, at: now, held: undefined };
    group.tokens = Math.min(BURST, group.tokens + (now - group.at) / ONE_EVERY_MS);
    group.at = now;
    this.#groups.set(name, group);
    return group;
  }
}
