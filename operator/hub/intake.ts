/** Bytes of results that wait for the API server, in one session and in all of a replica together. */
const LIMITS = { session: 4 * 1024 * 1024, replica: 128 * 1024 * 1024 };

/**
 * Bounds what agents can make this process hold. A session over its share is not read from until some of it is written;
 * when all together are over theirs, that goes for every session that holds anything, and so those that hold nothing are
 * still heard. At most the replica's share and one frame a session are held.
 */
export class Intake {
  readonly #limits: { readonly session: number; readonly replica: number };
  #total = 0;

  constructor(limits: { readonly session: number; readonly replica: number } = LIMITS) {
    this.#limits = limits;
  }

  get total(): number {
    return this.#total;
  }

  /** A session holds `bytes` now instead of `before`. */
  changed(before: number, bytes: number): void {
    this.#total += bytes - before;
  }

  /** Whether a session that holds `bytes` is to be read from. */
  admits(bytes: number): boolean {
    return bytes <= this.#limits.session && (bytes === 0 || this.#total <= this.#limits.replica);
  }
}
