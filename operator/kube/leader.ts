import type { Clock } from "#base/clock.ts";
import { messageOf } from "#base/errors.ts";
import { between, type Random } from "#base/random.ts";
import type { CallOptions, Client } from "./client.ts";
import { isAlreadyExists, isConflict, isNotFound } from "./kube-error.ts";
import { LeaseView } from "./lease-view.ts";
import type { Log } from "./log.ts";
import type { KubeMetrics } from "./metrics.ts";
import { microTime } from "./micro-time.ts";
import { type Lease, Leases } from "./resource.ts";

/** client-go's defaults: others take over 15 s after the last renewal they saw; the leader gives up 10 s after its own. */
export const LEADER_TIMING = { leaseMs: 15_000, renewDeadlineMs: 10_000, retryMs: 2_000 };

/**
 * Leader election by a Lease, as client-go does it. Clocks of different machines are never compared: a candidate counts
 * the lease's duration from when it itself saw the last change, and the leader its deadline from before it sent the
 * last renewal that succeeded, on the monotonic clock; so the leader has stopped 5 s before anybody takes over. A leader
 * that is frozen meanwhile cannot know that when it wakes: its writes are fenced by the resourceVersion they carry.
 */
export class LeaderElector {
  readonly #options: LeaderOptions;
  readonly #log: Log;
  readonly #timing: typeof LEADER_TIMING;
  /** The Lease as last seen, and when it changed. */
  readonly #view = new LeaseView();
  #lease: Lease | undefined;
  /** Monotonic ms until which the last renewal makes this process the leader. */
  #leaderUntil = Number.NEGATIVE_INFINITY;

  constructor(options: LeaderOptions) {
    this.#options = options;
    this.#timing = options.timing ?? LEADER_TIMING;
    this.#log = options.log.child({ lease: options.name, identity: options.identity });
  }

  /** True only while the last renewal is fresh; asks the clock, so it is right also just after a freeze. */
  get isLeader(): boolean {
    return this.#options.clock.monotonic() < this.#leaderUntil;
  }

  /** Stands for election, leads, and stands again when leadership is lost, until the signal aborts; then gives it up. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, metrics, name, onStartedLeading, onStoppedLeading } = this.#options;
    metrics.leader.set({ name }, 0);
    while (!signal.aborted) {
      await this.#renew(signal);
      if (!this.isLeader) {
        await clock.sleep(between(random, 1, 1.2) * this.#timing.retryMs, signal).catch(() => {});
        continue;
      }
      this.#log.info({}, "leading");
      metrics.leader.set({ name }, 1);
      const lost = new AbortController();
      onStartedLeading(lost.signal);
      await this.#hold(signal);
      const released = signal.aborted;
      this.#leaderUntil = Number.NEGATIVE_INFINITY;
      metrics.leader.set({ name }, 0);
      this.#log[released ? "info" : "warn"]({}, released ? "no longer leading: stopped" : "leadership lost");
      lost.abort(new Error(released ? "the leader election was stopped" : "leadership was lost"));
      onStoppedLeading();
      if (released) await this.#release();
    }
  }

  /** Resolves when leadership is over: not renewed in time, taken by another, or to be given up. */
  async #hold(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted && this.isLeader) {
      const left = this.#leaderUntil - clock.monotonic();
      await clock.sleep(Math.min(this.#timing.retryMs, left), signal).catch(() => {});
      if (!signal.aborted && this.isLeader) await this.#renew(signal);
    }
  }

  /** Takes or renews the Lease if that is allowed. */
  async #renew(signal: AbortSignal): Promise<void> {
    const { clock, identity } = this.#options;
    const sent = clock.monotonic();
    // A leader must know in time that it cannot renew; a candidate has all the time of a retry.
    const timeoutMs = Math.max(1, this.isLeader ? this.#leaderUntil - sent : this.#timing.renewDeadlineMs);
    const call = { signal, timeoutMs: Math.min(timeoutMs, this.#timing.renewDeadlineMs / 2), retry: false };
    try {
      // The leader renews what it wrote last, without reading it first: half the requests.
      this.#see(this.isLeader && this.#lease !== undefined ? this.#lease : await this.#read(call));
      const holder = this.#lease?.spec?.holderIdentity ?? "";
      if (holder !== identity && holder !== "" && this.#view.aliveAt(sent)) {
        this.#leaderUntil = Number.NEGATIVE_INFINITY;
        return;
      }
      this.#see(await this.#write(call));
      this.#leaderUntil = sent + this.#timing.renewDeadlineMs;
    } catch (error) {
      if (signal.aborted) return;
      // Somebody else wrote: look who it is the next time, and do not take our own record for the newest.
      if (isConflict(error) || isAlreadyExists(error) || isNotFound(error)) {
        this.#lease = undefined;
        if (this.isLeader) await this.#look(call);
      }
      this.#log.debug({ error: messageOf(error) }, "the lease was not renewed");
    }
  }

  /** A leader whose renewal conflicted: it stays one if the Lease still names it (its answer was lost), else it is over. */
  async #look(call: CallOptions): Promise<void> {
    try {
      this.#see(await this.#read(call));
      if (this.#lease?.spec?.holderIdentity !== this.#options.identity) this.#leaderUntil = Number.NEGATIVE_INFINITY;
    } catch (error) {
      this.#log.debug({ error: messageOf(error) }, "the lease was not read");
    }
  }

  #see(lease: Lease | undefined): void {
    this.#lease = lease;
    if (lease !== undefined) this.#view.see(lease, this.#options.clock.monotonic());
  }

  async #read(call: CallOptions): Promise<Lease | undefined> {
    const { client, namespace, name } = this.#options;
    try {
      return await client.get(Leases, { namespace, name }, call);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  #write(call: CallOptions): Promise<Lease> {
    const { client, clock, namespace, name, identity } = this.#options;
    const now = microTime(clock.now());
    const { spec } = this.#lease ?? {};
    const ours = spec?.holderIdentity === identity;
    const next = {
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(this.#timing.leaseMs / 1000),
      acquireTime: ours && spec.acquireTime !== undefined ? spec.acquireTime : now,
      renewTime: now,
      leaseTransitions: (spec?.leaseTransitions ?? 0) + (ours || spec === undefined ? 0 : 1),
    };
    if (this.#lease === undefined) return client.create(Leases, { metadata: { namespace, name }, spec: next }, call);
    return client.update(Leases, { ...this.#lease, spec: next }, call);
  }

  /** So that the next leader need not wait for the lease to run out. */
  async #release(): Promise<void> {
    const { client, clock, identity } = this.#options;
    const call = { timeoutMs: this.#timing.retryMs, retry: false };
    try {
      // Read again: a renewal that was cut off by the stop may have been heard all the same.
      const lease = await this.#read(call);
      if (lease?.spec?.holderIdentity !== identity) return;
      const now = microTime(clock.now());
      const spec = { ...lease.spec, holderIdentity: "", leaseDurationSeconds: 1, acquireTime: now, renewTime: now };
      await client.update(Leases, { ...lease, spec }, call);
    } catch (error) {
      this.#log.warn(
        { error: messageOf(error) },
        "the lease was not released; the next leader waits until it runs out",
      );
    }
  }
}

export interface LeaderOptions {
  readonly client: Client;
  readonly namespace: string;
  /** Of the Lease. */
  readonly name: string;
  /** Unique in the cluster and over restarts: pod name and a random part. */
  readonly identity: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: KubeMetrics;
  readonly timing?: typeof LEADER_TIMING;
  /** Begin to act as leader, and stop at once, cancelling what is under way, when `lost` aborts. Must not throw. */
  readonly onStartedLeading: (lost: AbortSignal) => void;
  /** After `lost` aborted. Leadership may come again. Must not throw. */
  readonly onStoppedLeading: () => void;
}
