import { Registry } from "prom-client";
import type { WebSocket } from "ws";
import { between } from "#base/random.ts";
import type { Host } from "#crds/host.ts";
import { openCaches } from "../../operator/controllers/caches.ts";
import { deadReplicaController } from "../../operator/controllers/host/dead-replicas.ts";
import { hostController } from "../../operator/controllers/host/reconcile.ts";
import { policyController } from "../../operator/controllers/policy/reconcile.ts";
import { SecretReader } from "../../operator/controllers/repository/secret-reader.ts";
import { restoreController } from "../../operator/controllers/restore/reconcile.ts";
import { runController } from "../../operator/controllers/run/reconcile.ts";
import { AgentSocket } from "../../operator/hub/agent-socket.ts";
import { CommandAnswers } from "../../operator/hub/command-sink.ts";
import { DesiredConfigurations } from "../../operator/hub/desired-source.ts";
import { WRITES } from "../../operator/hub/gateway.ts";
import { Intake } from "../../operator/hub/intake.ts";
import { LastWrites } from "../../operator/hub/last-writes.ts";
import { observeHosts } from "../../operator/hub/observe-hosts.ts";
import type { HubPorts } from "../../operator/hub/ports.ts";
import { ProgressWriter } from "../../operator/hub/progress-sink.ts";
import { ResourceRecords } from "../../operator/hub/record-sink.ts";
import { wakeAt } from "../../operator/hub/session.ts";
import { HostSessions } from "../../operator/hub/session-store.ts";
import { Sessions } from "../../operator/hub/sessions.ts";
import { TaskRecords } from "../../operator/hub/task-records.ts";
import type { Controller } from "../../operator/kube/controller.ts";
import type { Informers } from "../../operator/kube/informers.ts";
import type { Log } from "../../operator/kube/log.ts";
import type { KubeMetrics } from "../../operator/kube/metrics.ts";
import type { ReplicaState } from "../../operator/kube/replica-lease.ts";
import { Leases } from "../../operator/kube/resource.ts";
import { TokenBuckets } from "../../operator/kube/token-buckets.ts";
import { ApiClient, type ApiClientOptions } from "./api-client.ts";
import { SimProcess } from "./process.ts";
import { WatchCaches } from "./watch-cache.ts";
import type { Wire } from "./wire.ts";

const CLUSTER_ID = "cluster";

export interface ReplicaOptions extends Omit<ApiClientOptions, "process"> {
  readonly identity: string;
  readonly wallOffset: number;
  readonly lag: { ms: number };
  readonly leaseState: (identity: string) => ReplicaState;
  readonly log: Log;
  readonly onThrow: (error: unknown) => void;
}

/** Every metric there is, and none: what is measured is no business of the simulation. */
const noMetrics = new Proxy(
  {},
  {
    get: () => ({ inc() {}, dec() {}, set() {}, observe() {}, add() {}, delete() {} }),
  },
) as KubeMetrics & { frames: { inc(): void } };

/**
 * One operator process from its start to its death: wired as operator/main.ts does it, but for HTTP, and for the elections
 * and Leases, which the history decides.
 */
export class Replica {
  readonly identity: string;
  readonly process: SimProcess;
  readonly client: ApiClient;
  readonly caches: WatchCaches;
  readonly wires = new Set<Wire>();
  readonly sessions: Sessions;
  readonly #options: ReplicaOptions;
  readonly #ports: HubPorts;
  readonly #controllers: readonly Controller[];
  readonly #running = new AbortController();
  readonly #intake = new Intake();
  readonly #writes: TokenBuckets;
  #controlling: Promise<unknown> = Promise.resolve();
  #lost: AbortController | undefined;
  draining = false;

  constructor(options: ReplicaOptions) {
    const { identity, timeline, random, server, log, lag } = options;
    this.#options = options;
    this.identity = identity;
    this.process = new SimProcess(timeline, identity, undefined, options.onThrow);
    this.process.wallOffset = options.wallOffset;
    const clock = this.process;
    this.#writes = new TokenBuckets({ ...WRITES, clock });
    const client = new ApiClient({ ...options, process: this.process });
    this.client = client;
    this.caches = new WatchCaches({ timeline, random, server, process: this.process, heard: client.heard, lag });
    const informers = this.caches as unknown as Informers;
    const parts = { client, clock, random, log, metrics: noMetrics as KubeMetrics };
    const caches = openCaches(informers);
    const leases = { state: options.leaseState };
    const events = { record: () => {} };
    const { signal } = this.#running;

    const lastWrites = new LastWrites();
    const secrets = new SecretReader({ ...parts, caches });
    const hub = {
      refresh: (host: string) => this.sessions.accepted(host)?.step({ type: "refresh" }),
      observe: (host: string, seen: Parameters<Parameters<typeof observeHosts>[1]["observe"]>[1]) => {
        for (const socket of this.sessions.of(host)) socket.step({ type: "observed", seen });
      },
    };
    const desired = new DesiredConfigurations({
      ...parts,
      caches,
      secrets,
      clusterID: CLUSTER_ID,
      refresh: hub.refresh,
    });
    const tasks = new TaskRecords({ ...parts, caches, tries: desired.tries });
    const records = new ResourceRecords({ ...parts, caches, lastWrites, tasks, registry: new Registry() });
    const store = new HostSessions({
      ...parts,
      caches,
      leases,
      events,
      replica: identity,
      clusterID: CLUSTER_ID,
      isHere: (host) => this.sessions.accepted(host) !== undefined,
      desiredConfig: (host) => desired.lastID(host),
    });
    this.sessions = new Sessions({ store, clock, log, signal });
    this.#ports = {
      authenticator: {
        vouched: () => undefined,
        authenticate() {
          throw new Error("connections are authenticated by the history");
        },
      },
      store,
      desired,
      records,
      progress: new ProgressWriter({ ...parts, caches, lastWrites, tasks }),
      commands: new CommandAnswers({ ...parts, caches, tasks, tries: desired.tries, signal }),
    };
    observeHosts(caches, hub);
    const controlled = { ...parts, informers, caches };
    this.#controllers = [
      hostController({ ...controlled, secrets, planner: desired }),
      deadReplicaController({ ...controlled, leases, replicaLeases: informers.of(Leases) }),
      policyController({ ...controlled, events }),
      runController(controlled),
      restoreController(controlled),
    ];
    for (const cache of this.caches.all) cache.wake();
  }

  get leads(): boolean {
    return this.#lost !== undefined;
  }

  lead(): void {
    if (this.#lost !== undefined) return;
    const lost = new AbortController();
    this.#lost = lost;
    this.process.enter(() => {
      this.#controlling = this.#controlling.then(() =>
        Promise.all(this.#controllers.map((controller) => controller.run(lost.signal, lost.signal))),
      );
    });
  }

  /** Leadership is lost, as far as this process knows by now. */
  follow(): void {
    const lost = this.#lost;
    this.#lost = undefined;
    this.process.enter(() => lost?.abort(new Error("leadership lost")));
  }

  /** An upgrade that was authenticated. */
  accept(wire: Wire, host: Host): void {
    wire.replica = this.process;
    this.wires.add(wire);
    const { random, log } = this.#options;
    const { namespace = "", name, uid } = host.metadata;
    const socket: AgentSocket = new AgentSocket(wire.server as unknown as WebSocket, {
      host: { namespace, name, uid },
      stillHolds: async () => true,
      lifetimeMs: between(random, 6.4, 9.6) * 3_600_000,
      ports: this.#ports,
      clock: this.process,
      log,
      intake: this.#intake,
      writes: this.#writes,
      metrics: noMetrics as never,
      onOpened: (opened) => this.sessions.opened(opened),
      onLeft: (left, facts) => this.sessions.left(left, facts),
      onClosed: (closed) => {
        this.sessions.remove(closed);
        this.wires.delete(wire);
      },
    });
    this.sessions.add(socket);
    this.#tick(socket);
  }

  /** As Gateway.drain, at the end of a process that was asked to end. */
  drain(): void {
    const { random } = this.#options;
    this.draining = true;
    this.process.enter(() => {
      for (const socket of this.sessions.sockets()) {
        socket.step({ type: "drain", retryAfterMs: Math.floor(between(random, 0, 30_000)) });
      }
    });
  }

  /** The gateway's second hand, which need not move while nothing can be due. */
  #tick(socket: AgentSocket): void {
    if (socket.state.phase === "closed") return;
    const clock = this.process;
    const due = Math.ceil((wakeAt(socket.state) - clock.monotonic()) / 1000) * 1000;
    clock.after(Math.min(Math.max(due, 1000), 10_000), () => {
      socket.tick();
      this.#tick(socket);
    });
  }

  kill(): void {
    this.process.kill();
    this.#lost = undefined;
  }
}
