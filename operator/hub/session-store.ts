import type { Clock } from "#base/clock.ts";
import { type Random, secret } from "#base/random.ts";
import type { Host } from "#crds/host.ts";
import type { Caches } from "../controllers/caches.ts";
import { sessionWriter } from "../controllers/host/writers.ts";
import { Hosts } from "../controllers/kinds.ts";
import { applyStatus } from "../kube/apply.ts";
import type { Client } from "../kube/client.ts";
import { isTrue } from "../kube/conditions.ts";
import type { EventRecorder } from "../kube/events.ts";
import { isNotFound } from "../kube/kube-error.ts";
import type { Log } from "../kube/log.ts";
import type { ReplicaLeases } from "../kube/replica-lease.ts";
import { audit } from "./audit.ts";
import { nextEpoch } from "./epoch.ts";
import { judgeNonce } from "./nonce.ts";
import { persist } from "./persist.ts";
import {
  type HostIdentity,
  type HostKey,
  hostKey,
  type OpenedSession,
  type OpenRefusal,
  type OpenRequest,
  type ReportResult,
  type SessionFacts,
  type SessionStore,
} from "./ports.ts";
import { statusAtConflict, statusAtOpen, statusAtReport, statusAtTakeover } from "./session-status.ts";

export interface HostSessionsParts {
  readonly client: Client;
  readonly caches: Pick<Caches, "hosts">;
  readonly leases: Pick<ReplicaLeases, "state">;
  readonly events: Pick<EventRecorder, "record">;
  /** This replica's, as its Lease is named. */
  readonly replica: string;
  readonly clusterID: string;
  /** Whether this replica holds an accepted session of the host just now. */
  readonly isHere: (host: HostKey) => boolean;
  /** Id of the configuration this replica last computed for the host. */
  readonly desiredConfig: (host: HostKey) => string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

const GONE: OpenRefusal = {
  code: "host_unknown",
  message:
    "this Host was deleted or revoked, or has another agent now. The schedules go on, but nobody sees their results: stop this agent, or enrol the machine again",
};

const OVERTAKEN: OpenRefusal = {
  code: "superseded",
  message: "a later hello of this agent was accepted while this one waited for the API server",
};

/** A hello that is accepted within this has not waited. */
const PROMPT_MS = 1_000;

/** Sessions as they stand on Hosts: Host.status by field manager holdfast-session. */
export class HostSessions implements SessionStore {
  readonly #parts: HostSessionsParts;

  constructor(parts: HostSessionsParts) {
    this.#parts = parts;
  }

  open(request: OpenRequest, signal: AbortSignal): Promise<OpenedSession | { refused: OpenRefusal }> {
    const { clusterID, replica, desiredConfig, clock, log, events } = this.#parts;
    const { hello, facts, receivedAt } = request;
    const begun = clock.monotonic();
    return persist(this.#parts, signal, async (fresh) => {
      const host = await this.#find(request.host, !fresh, signal);
      if (host === undefined || host.spec.revoked === true) return { refused: GONE };
      // After the Host was read: who takes a credential away writes the Host after that, so that this write fails or that
      // one ends the session. A connection may have waited with its hello until its host was enrolled again.
      if (!(await request.stillHolds(signal))) return { refused: GONE };
      const { session = {} } = host.status ?? {};
      // Only of a hello that waited: else a replica whose clock is ahead would lock its hosts out of the others.
      const waited = clock.monotonic() - begun > PROMPT_MS;
      if (waited && Date.parse(session.connectedTime ?? "") > receivedAt) return { refused: OVERTAKEN };
      const verdict = judgeNonce(session, hello.nonce, this.#otherIsAlive(host));
      if (verdict === "clone") return { refused: await this.#conflict(host, request, signal) };
      const highest = hello.hostUID === request.host.uid ? hello.highestEpoch : 0;
      const epoch = nextEpoch(session.epoch ?? 0, highest);
      const nonce = secret();
      const desired = desiredConfig(hostKey(request.host));
      const alone = verdict === "rollback";
      const status = statusAtOpen(host, { epoch, replica, nonce, hello, facts, alone, desired }, receivedAt);
      // Not cut off when the socket goes: what the API server has accepted must be known here, or nobody would ever say
      // that this agent is not connected.
      const object = await this.#apply(host, status);
      if (object === undefined) return { refused: GONE };
      audit(log, "session-accepted", object, { epoch });
      if (verdict === "rollback") {
        const note = `${hello.agent.hostname} shows an older state than it had before: it was set back to a snapshot or a backup. Nothing is lost; if it was cloned instead, stop one of the two.`;
        events.record(Hosts, object, { type: "Warning", reason: "AgentRolledBack", action: "Connect", note });
      }
      return { epoch, nonce, clusterID, configPending: !isTrue(object.status?.conditions, "ConfigApplied") };
    });
  }

  report(identity: HostIdentity, epoch: number, facts: SessionFacts, signal: AbortSignal): Promise<ReportResult> {
    const { clock, desiredConfig } = this.#parts;
    return persist(this.#parts, signal, async () => {
      // Never from the cache: it may lack what this session wrote just before, and "nothing to change" would be wrong.
      const host = await this.#find(identity, false, signal);
      if (host === undefined || host.spec.revoked === true) return "gone";
      if ((host.status?.session?.epoch ?? 0) > epoch) return "superseded";
      const status = statusAtReport(host, facts, desiredConfig(hostKey(identity)), clock.now());
      return (await this.#apply(host, status, signal)) === undefined ? "gone" : "written";
    });
  }

  /** Another machine has enrolled as `identity`: ends the session of the one before, wherever it is connected. */
  async takeOver(identity: Host, signal: AbortSignal): Promise<void> {
    const { client, clock, replica } = this.#parts;
    const { namespace = "", name, uid } = identity.metadata;
    await persist(this.#parts, signal, async () => {
      const host = await this.#find({ namespace, name, uid }, false, signal);
      if (host === undefined) return;
      await applyStatus(client, Hosts, host, sessionWriter, statusAtTakeover(host, replica, clock.now()), { signal });
    });
  }

  /** Undefined where the Host was deleted meanwhile. */
  async #apply(host: Host, status: object, signal?: AbortSignal): Promise<Host | undefined> {
    const options = signal === undefined ? {} : { signal };
    try {
      return (await applyStatus(this.#parts.client, Hosts, host, sessionWriter, status, options)).object;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async #find({ namespace, name, uid }: HostIdentity, cached: boolean, signal: AbortSignal): Promise<Host | undefined> {
    const seen = cached ? this.#parts.caches.hosts.get({ namespace, name }) : undefined;
    if (seen?.metadata.uid === uid) return seen;
    try {
      const host = await this.#parts.client.get(Hosts, { namespace, name }, { signal });
      return host.metadata.uid === uid && host.metadata.deletionTimestamp === undefined ? host : undefined;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** Whether the session that stands on the Host is held by a machine now, as far as this replica can know. */
  #otherIsAlive(host: Host): boolean {
    const { replica, disconnectedTime } = host.status?.session ?? {};
    if (replica === undefined || disconnectedTime !== undefined) return false;
    const { namespace = "", name } = host.metadata;
    if (replica === this.#parts.replica) return this.#parts.isHere(hostKey({ namespace, name }));
    return this.#parts.leases.state(replica) === "live";
  }

  async #conflict(host: Host, { hello }: OpenRequest, signal: AbortSignal): Promise<OpenRefusal> {
    const { client, clock, log, events } = this.#parts;
    const { namespace, name } = host.metadata;
    const message =
      `two machines show the identity of Host ${namespace}/${name}; the second one calls itself ${hello.agent.hostname}. Neither gets secrets or ` +
      "commands, their schedules go on. Stop the one that is a copy, then enrol the other again with an EnrollmentToken " +
      `that has hostName: ${name} and reenroll: true.`;
    const status = statusAtConflict(host, message, clock.now());
    const { object, written } = await applyStatus(client, Hosts, host, sessionWriter, status, { signal });
    if (written) {
      audit(log, "identity-conflict", object);
      events.record(Hosts, object, { type: "Warning", reason: "IdentityConflict", action: "Connect", note: message });
    }
    return { code: "identity_conflict", message };
  }
}
