import type { Clock } from "#base/clock.ts";
import { between, type Random } from "#base/random.ts";
import { TokenBucket } from "../kube/token-bucket.ts";
import { TokenBuckets } from "../kube/token-buckets.ts";
import type { AuthenticationRefusal, HostKey } from "./ports.ts";
import { Refusal } from "./refusal.ts";

/** What one replica accepts: a fleet that comes back all at once is spread over minutes instead of failing together. */
const ALL = { perSecond: 25, burst: 50 };
/**
 * Upgrades of one asker that come to nothing. Who shows a credential that was once given out here is counted alone, anybody
 * else with their address: a whole site, or all of them behind a load balancer, may have one.
 */
const FAILURES = { perSecond: 1, burst: 50 };
/** Sessions of one host: each costs an API write, and a broken or hostile agent must not use up what is for all. */
const HOST = { perSecond: 0.2, burst: 30 };
const RETRY_AFTER_SECONDS = { from: 5, to: 60 };

/** An HTTP answer instead of a WebSocket. */
export type UpgradeRefusal = Pick<Refusal, "status" | "code" | "message" | "retryAfter">;

/** Decides which upgrade requests may be authenticated, and which authenticated ones become sessions. */
export class Admission {
  readonly #random: Random;
  readonly #all: TokenBucket;
  readonly #failures: TokenBuckets;
  readonly #hosts: TokenBuckets;

  constructor(options: { clock: Clock; random: Random; all?: { perSecond: number; burst: number } | undefined }) {
    const { clock, random, all = ALL } = options;
    this.#random = random;
    this.#all = new TokenBucket({ ...all, clock });
    this.#failures = new TokenBuckets({ ...FAILURES, clock });
    this.#hosts = new TokenBuckets({ ...HOST, clock });
  }

  /** Before anything is done for a request; undefined: go on. The asker's own limit comes first, and costs the others nothing. */
  request(asker: string): UpgradeRefusal | undefined {
    const wait = this.#failures.wait(asker);
    const message = "too many refused connections from this address, or with this credential; wait and try again";
    if (wait > 0) return new Refusal(429, "too_many_requests", message, wait);
    return this.#all.take() > 0 ? this.busy() : undefined;
  }

  /** The credential holds; undefined: the WebSocket may be opened. */
  host(host: HostKey, asker: string): UpgradeRefusal | undefined {
    const wait = this.#hosts.take(host);
    if (wait === 0) return undefined;
    this.#failures.take(asker);
    const message = "this host connects too often; the reason is in its agent's log and in the operator's";
    return new Refusal(429, "too_many_requests", message, wait);
  }

  /** The credential does not hold, or that cannot be known now. */
  refused(refusal: AuthenticationRefusal, asker: string): UpgradeRefusal {
    if (refusal.status === 503) return { ...refusal, retryAfter: this.#later() };
    this.#failures.take(asker);
    return refusal;
  }

  busy(): UpgradeRefusal {
    const message = "this operator replica takes no more connections just now";
    return { status: 503, code: "busy", message, retryAfter: this.#later() };
  }

  #later(): number {
    return Math.ceil(between(this.#random, RETRY_AFTER_SECONDS.from, RETRY_AFTER_SECONDS.to));
  }
}
