import { isTerminal } from "#protocol/outcome.ts";

/**
 * What this replica last wrote of each run and restore that is under way, so that the record and the progress that say
 * the same are one write. Times are monotonic ms.
 */
export class LastWrites {
  readonly #writes = new Map<string, LastWrite>();

  get(uid: string): LastWrite | undefined {
    return this.#writes.get(uid);
  }

  set(uid: string, write: LastWrite): void {
    if (isTerminal(write.phase)) this.#writes.delete(uid);
    else this.#writes.set(uid, write);
    // Runs that never end here (their hosts went to other replicas): the oldest are forgotten first.
    if (this.#writes.size > MAX_KEPT) this.#writes.delete(this.#writes.keys().next().value ?? "");
  }
}

export interface LastWrite {
  readonly phase: string;
  readonly reason: string;
  readonly at: number;
}

const MAX_KEPT = 20_000;
