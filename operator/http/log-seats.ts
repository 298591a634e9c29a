import type { HostKey } from "../hub/ports.ts";
import { Refusal } from "../hub/refusal.ts";

/** Streams of one replica, and of them of one host, whose agent answers one after the other. */
const MOST = 64;
const MOST_OF_HOST = 8;
const COME_BACK_MS = 5_000;

/** Bounds how many logs are read at once. */
export class LogSeats {
  readonly #hosts = new Map<HostKey, number>();
  #taken = 0;

  get taken(): number {
    return this.#taken;
  }

  /** Throws Refusal where all are taken. Call what it returns once, when the log is not read any more. */
  take(host: HostKey): () => void {
    const ofHost = this.#hosts.get(host) ?? 0;
    const which = ofHost >= MOST_OF_HOST ? `${MOST_OF_HOST} logs of Host ${host}` : `${MOST} logs`;
    if (ofHost >= MOST_OF_HOST || this.#taken >= MOST) {
      const message = `${which} are being read through this replica: end one of these, or wait and try again`;
      throw new Refusal(429, "too_many_requests", message, COME_BACK_MS);
    }
    this.#taken++;
    this.#hosts.set(host, ofHost + 1);
    return () => {
      this.#taken--;
      const left = (this.#hosts.get(host) ?? 1) - 1;
      if (left === 0) this.#hosts.delete(host);
      else this.#hosts.set(host, left);
    };
  }
}
