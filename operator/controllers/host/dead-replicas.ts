import type { Host, HostStatus } from "#crds/host.ts";
import { applyStatus } from "../../kube/apply.ts";
import { type ConditionDraft, isTrue } from "../../kube/conditions.ts";
import { Controller, type ReconcileContext, watch } from "../../kube/controller.ts";
import type { Informer } from "../../kube/informer.ts";
import { isConflict, isNotFound } from "../../kube/kube-error.ts";
import type { ReplicaLeases } from "../../kube/replica-lease.ts";
import { type Lease, Leases } from "../../kube/resource.ts";
import { atOnce } from "../at-once.ts";
import type { Caches } from "../caches.ts";
import { Hosts } from "../kinds.ts";
import type { ControllerParts } from "../parts.ts";
import { sessionPart } from "./session-part.ts";
import { sessionWriter } from "./writers.ts";

/** The agents of a dead replica come back to another one within this, mostly (protocol.md). */
const RECONNECT_GRACE_MS = 90_000;
/** A third of the shortest time in which a Lease can expire. */
const LOOK_MS = 10_000;

/**
 * A connected host is as alive as the Lease of the replica that holds its socket. Reconciles replicas, not hosts: its keys
 * are their identities, so that ten thousand idle hosts cost one look. The Lease of one that was killed goes too: its
 * identity never comes back.
 */
export function deadReplicaController(
  parts: ControllerParts & { caches: Caches; leases: Pick<ReplicaLeases, "state">; replicaLeases: Informer<Lease> },
): Controller {
  const { caches, leases, replicaLeases } = parts;
  /** Monotonic milliseconds. */
  const deadSince = new Map<string, number>();
  return new Controller({
    ...parts,
    name: "dead-replica",
    deadlineMs: 300_000,
    watches: [
      watch(replicaLeases, { when: ({ type }) => type === "added", keys: ({ metadata }) => [metadata.name] }),
      watch(caches.hosts, {
        keys: ({ status }) =>
          isTrue(status?.conditions, "Connected") && status?.session?.replica ? [status.session.replica] : [],
      }),
    ],
    async reconcile(replica, ctx) {
      const state = leases.state(replica);
      if (state === "live" || state === "unknown") {
        deadSince.delete(replica);
        return { requeueAfterMs: LOOK_MS };
      }
      const now = ctx.clock.monotonic();
      const since = deadSince.get(replica) ?? now;
      deadSince.set(replica, since);
      if (state === "expired") await bury(replicaLeases, replica, ctx);
      const wait = since + RECONNECT_GRACE_MS - now;
      if (wait > 0) return { requeueAfterMs: Math.min(wait, LOOK_MS) };
      await atOnce(caches.connectedHostsByReplica(replica), async (host) => {
        const status = withoutReplica(host, ctx.clock.now());
        await applyStatus(ctx.client, Hosts, host, sessionWriter, status, { signal: ctx.signal }).catch((error) => {
          // Its agent has come back elsewhere, or it is gone; if not, the change brings it here again.
          if (!isConflict(error) && !isNotFound(error)) throw error;
        });
      });
      deadSince.delete(replica);
      return {};
    },
  });
}

/** Deletes the Lease of a replica unless that has renewed it meanwhile; one that only slept creates it again. */
async function bury(replicaLeases: Informer<Lease>, replica: string, { client }: ReconcileContext): Promise<void> {
  const lease = replicaLeases.list().find(({ metadata }) => metadata.name === replica);
  if (lease === undefined) return;
  const { uid, resourceVersion } = lease.metadata;
  await client.delete(Leases, lease.metadata, { uid, resourceVersion }).catch((error: unknown) => {
    if (!isConflict(error) && !isNotFound(error)) throw error;
  });
}

/** The session's part of the status, whole, with the connection unknown. */
export function withoutReplica(host: Host, now: number): HostStatus {
  const { session } = host.status ?? {};
  const disconnectedTime = new Date(now - RECONNECT_GRACE_MS).toISOString().replace(/\.\d{3}Z$/, "Z");
  const message = `operator replica ${session?.replica} stopped, and the agent has not come back since; check that it runs and reaches the operator`;
  const unknown: ConditionDraft = { type: "Connected", status: "Unknown", reason: "ReplicaGone", message };
  return { ...sessionPart(host, unknown, now), ...(session && { session: { ...session, disconnectedTime } }) };
}
