import type { Clock } from "#base/clock.ts";
import { messageOf } from "#base/errors.ts";
import { readHostPort } from "#base/host-port.ts";
import type { OwnerReference } from "#crds/meta.ts";
import type { CallOptions, Client } from "./client.ts";
import type { Informer } from "./informer.ts";
import { isNotFound } from "./kube-error.ts";
import { LeaseView } from "./lease-view.ts";
import type { Log } from "./log.ts";
import { microTime } from "./micro-time.ts";
import { type Lease, Leases } from "./resource.ts";

/** Three renewals may fail before a replica counts as gone. A host is as alive as the Lease of the replica it talks to. */
export const REPLICA_LEASE_TIMING = { leaseMs: 30_000, renewMs: 10_000 };
/** How long a replica that stops waits for the deletion of its Lease. */
const DELETE_TIMEOUT_MS = 5_000;

/** Marks the Leases that are replicas', among the others of the namespace; give it as labelSelector to their informer. */
export const REPLICA_LABEL = "holdfast.dev/replica-lease";
/** Where other replicas reach this one, host:port; absent where it does not know. */
const ADDRESS_ANNOTATION = "holdfast.dev/address";

/** The Lease one replica renews while it serves agents, named by its identity. */
export class ReplicaLease {
  readonly #options: ReplicaLeaseOptions;
  readonly #timing: typeof REPLICA_LEASE_TIMING;
  #lease: Lease | undefined;

  constructor(options: ReplicaLeaseOptions) {
    this.#options = options;
    this.#timing = options.timing ?? REPLICA_LEASE_TIMING;
  }

  /** Renews until the signal aborts, then deletes the Lease: everybody sees at once that this replica is gone. */
  async run(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const { clock, log, client, namespace, identity: name } = this.#options;
    const { renewMs } = this.#timing;
    while (!signal.aborted) {
      const started = clock.monotonic();
      let pauseMs = renewMs;
      try {
        this.#lease = await this.#renew({ signal, timeoutMs: renewMs, retry: false });
      } catch (error) {
        if (signal.aborted) break;
        this.#lease = undefined;
        pauseMs = renewMs / 5;
        log.warn({ error: messageOf(error) }, "the replica's lease was not renewed; trying again");
      }
      await clock.sleep(Math.max(0, started + pauseMs - clock.monotonic()), signal).catch(() => {});
    }
    try {
      // Also where no answer has told of it: one may have been lost. By name alone, which no other process has or will have.
      await client.delete(Leases, { namespace, name }, { timeoutMs: DELETE_TIMEOUT_MS, retry: false });
    } catch (error) {
      if (isNotFound(error)) return;
      log.warn({ error: messageOf(error) }, "the replica's lease was not deleted; it runs out by itself");
    }
  }

  async #renew(call: CallOptions): Promise<Lease> {
    const { client, clock, namespace, identity: name, owner, address } = this.#options;
    const renewTime = microTime(clock.now());
    const lease =
      this.#lease ??
      (await client.get(Leases, { namespace, name }, call).catch((error: unknown) => {
        if (isNotFound(error)) return undefined;
        throw error;
      }));
    if (lease !== undefined) return client.update(Leases, { ...lease, spec: { ...lease.spec, renewTime } }, call);
    const leaseDurationSeconds = Math.ceil(this.#timing.leaseMs / 1000);
    const spec = { holderIdentity: name, leaseDurationSeconds, acquireTime: renewTime, renewTime };
    const ownerReferences = owner === undefined ? [] : [owner];
    const annotations: Record<string, string> = address === undefined ? {} : { [ADDRESS_ANNOTATION]: address };
    const metadata = { namespace, name, labels: { [REPLICA_LABEL]: "true" }, annotations, ownerReferences };
    return client.create(Leases, { metadata, spec }, call);
  }
}

export interface ReplicaLeaseOptions {
  readonly client: Client;
  readonly namespace: string;
  /** A DNS subdomain, unique over restarts: agents' epochs and Host.status.session.replica name it. */
  readonly identity: string;
  /** Where other replicas reach this one, host:port. */
  readonly address?: string | undefined;
  /** The replica's Pod: the garbage collector takes the Lease of one that was killed. */
  readonly owner?: OwnerReference;
  readonly clock: Clock;
  readonly log: Log;
  readonly timing?: typeof REPLICA_LEASE_TIMING;
}

/**
 * live: renewed in time, as far as this process could see. expired: not renewed, though this process would have seen it.
 * gone: there is no such Lease. unknown: the Leases are not listed yet; suppose nothing.
 */
export type ReplicaState = "live" | "expired" | "gone" | "unknown";

/**
 * What a replica sees of all replicas' Leases. Every replica renews one itself, so that it hears of Leases every 10 s
 * while it can hear at all; a Lease's age counts only up to the last time it heard, and a longer silence (an API server
 * that is away, a watch that hangs, a process that was frozen) starts every Lease's duration anew: it expires nobody.
 */
export class ReplicaLeases {
  readonly #informer: Pick<Informer<Lease>, "hasSynced">;
  readonly #views = new Map<string, LeaseView>();
  readonly #addresses = new Map<string, string>();
  #heardSince = Number.NEGATIVE_INFINITY;
  #heardAt = Number.NEGATIVE_INFINITY;

  /** `informer`: of Leases, in the operator's own namespace, with the labelSelector REPLICA_LABEL. */
  constructor(options: {
    readonly informer: Pick<Informer<Lease>, "hasSynced" | "onChange">;
    readonly clock: Clock;
    readonly timing?: typeof REPLICA_LEASE_TIMING;
  }) {
    const { informer, clock, timing = REPLICA_LEASE_TIMING } = options;
    this.#informer = informer;
    informer.onChange(({ type, object }) => {
      const { name } = object.metadata;
      const now = clock.monotonic();
      if (now - this.#heardAt > timing.leaseMs / 2) this.#heardSince = now;
      this.#heardAt = now;
      if (type === "deleted") {
        this.#views.delete(name);
        this.#addresses.delete(name);
        return;
      }
      const address = object.metadata.annotations?.[ADDRESS_ANNOTATION];
      // Whoever may write Leases wrote it, and a URL is made of it.
      if (address !== undefined && readHostPort(address) !== undefined) this.#addresses.set(name, address);
      else this.#addresses.delete(name);
      const view = this.#views.get(name) ?? new LeaseView();
      this.#views.set(name, view);
      view.see(object, now);
    });
  }

  /** Where this replica is reached, host:port; undefined where it does not say so. */
  address(identity: string): string | undefined {
    return this.#addresses.get(identity);
  }

  state(identity: string): ReplicaState {
    if (!this.#informer.hasSynced) return "unknown";
    const view = this.#views.get(identity);
    if (view === undefined) return "gone";
    return view.aliveAt(this.#heardAt, this.#heardSince) ? "live" : "expired";
  }
}
