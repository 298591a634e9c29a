import type { Clock } from "#base/clock.ts";
import type { HttpCode, HttpStatus } from "#base/error-codes.ts";
import { between, type Random } from "#base/random.ts";
import { TokenBucket } from "../kube/token-bucket.ts";
import { TokenBuckets } from "../kube/token-buckets.ts";
import { networkOf } from "./network-of.ts";
import type { AuthenticationRefusal, HostKey } from "./ports.ts";

/** What one replica accepts: a fleet that comes back all at once is spread over minutes instead of failing together. */
const ALL = { perSecond: 25, burst: 50 };
/**
 * Upgrades of one address that come to nothing. Successes are not counted: a whole site may be behind one address. An agent
 * with a credential that does not hold asks every 10 minutes, so that this bears 600 of them.
 */
const FAILURES = { perSecond: 1, burst: 50 };
/** Sessions of one host: each costs an API write, and a broken or hostile agent must not use up what is for all. */
const HOST = { perSecond: 0.2, burst: 30 };
const RETRY_AFTER_SECONDS = { from: 5, to: 60 };

/** An HTTP answer instead of a WebSocket; `retryAfter` in seconds. */
export interface UpgradeRefusal {
  status: HttpStatus[HttpCode];
  code: HttpCode;
  message: string;
  retryAfter?: number;
}

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

  /** Before anything is done for a request; undefined: go on. The address's own limit comes first, and costs the others nothing. */
  request(address: string): UpgradeRefusal | undefined {
    const wait = this.#failures.wait(networkOf(address));
    if (wait > 0) return tooMany("too many refused connections from this address; wait and try again", wait);
    return this.#all.take() > 0 ? this.busy() : undefined;
  }

  /** The credential holds; undefined: the WebSocket may be opened. */
  host(host: HostKey, address: string): UpgradeRefusal | undefined {
    const wait = this.#hosts.take(host);
    if (wait === 0) return undefined;
    this.#failures.take(networkOf(address));
    return tooMany("this host connects too often; the reason is in its agent's log and in the operator's", wait);
  }

  /** The credential does not hold, or that cannot be known now. */
  refused(refusal: AuthenticationRefusal, address: string): UpgradeRefusal {
    if (refusal.status === 503) return { ...refusal, retryAfter: this.#later() };
    this.#failures.take(networkOf(address));
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

function tooMany(message: string, waitMs: number): UpgradeRefusal {
  return { status: 429, code: "too_many_requests", message, retryAfter: Math.max(1, Math.ceil(waitMs / 1000)) };
}
