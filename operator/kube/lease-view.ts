import type { Lease } from "./resource.ts";

/**
 * How long a Lease lives, seen from here: its duration counted from when this process first saw its present state, on
 * its own monotonic clock. The times written in it are another machine's and are not compared with ours.
 */
export class LeaseView {
  #version: string | undefined;
  #changedAt = 0;
  #durationMs = 0;

  see(lease: Lease, now: number): void {
    const version = `${lease.metadata.uid}/${lease.metadata.resourceVersion}`;
    if (version === this.#version) return;
    this.#version = version;
    this.#changedAt = now;
    this.#durationMs = (lease.spec?.leaseDurationSeconds ?? 0) * 1000;
  }

  /** `heardSince`: from when on a renewal would have been heard of; silence before proves nothing. */
  aliveAt(now: number, heardSince: number = Number.NEGATIVE_INFINITY): boolean {
    return now < Math.max(this.#changedAt, heardSince) + this.#durationMs;
  }
}
