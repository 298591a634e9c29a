import { DatabaseSync } from "node:sqlite";
import { between, type Random, seededRandom } from "#base/random.ts";
import type { BackupPolicy } from "#crds/backuppolicy.ts";
import type { Host } from "#crds/host.ts";
import { migrate } from "../../agent/state/schema.ts";
import { BackupPolicies, BackupRuns, Hosts, Repositories } from "../../operator/controllers/kinds.ts";
import { isTransient } from "../../operator/kube/kube-error.ts";
import type { ReplicaState } from "../../operator/kube/replica-lease.ts";
import { keyOf, Secrets } from "../../operator/kube/resource.ts";
import { FAIR, type Weather } from "./api-client.ts";
import { ApiServer } from "./api-server.ts";
import { Disk } from "./disk.ts";
import { Ledger } from "./ledger.ts";
import { LostSlots } from "./lost-slots.ts";
import { Machine } from "./machine.ts";
import { BEGIN, Killed, type SimProcess } from "./process.ts";
import { Replica } from "./replica.ts";
import { REPOSITORY_ID, Restics, type SavedSnapshot } from "./restic.ts";
import { seedCrypto } from "./stand-ins/crypto.ts";
import { closeAll } from "./stand-ins/files.ts";
import { Timeline } from "./timeline.ts";
import { network, Wire } from "./wire.ts";

export const NAMESPACE = "backups";
export const HOST_KEY = `${NAMESPACE}/web-1`;
const HOST_UID = "uid-host";

/** A Lease that was not renewed for so long is expired. */
const LEASE_MS = 30_000;
/** The leader's Lease: who is silent for so long has lost it. */
const LEADER_MS = 15_000;

/** One for the process: to make another for each history would take as long as the history. */
const database = new DatabaseSync(":memory:");
migrate(database);

/** Everything of one history: a cluster with its API server, replicas of the operator, a machine with its agent. */
export class World {
  readonly random: Random;
  readonly timeline = new Timeline();
  readonly server = new ApiServer(() => this.timeline.now);
  readonly ledger = new Ledger(this.server, () => this.timeline.now);
  readonly weather: Weather = { ...FAIR };
  readonly lag = { ms: 60 };
  readonly repository: SavedSnapshot[] = [];
  readonly disk: Disk;
  readonly restics: Restics;
  readonly slots = new LostSlots(this);
  readonly machine: Machine;
  readonly replicas: (Replica | undefined)[] = [];
  /** How slow the network is at times; the share of frames that are late. */
  lateFrames = 0;
  refusedDials = 0;
  restic = { longestMs: 2_000, failing: 0.1, unrecorded: 0.03 };
  readonly wires = new Set<Wire>();
  readonly trace: (say: () => string) => void;
  /** When each replica that is gone or stopped was last heard of, by identity. */
  readonly #silentSince = new Map<string, number>();
  readonly #drained = new Set<string>();
  #replicasMade = 0;
  #requestsOfDead = 0;
  #leaderGone: number | undefined = 0;

  constructor(seed: number, tell: ((line: string) => void) | undefined) {
    this.random = seededRandom(seed);
    seedCrypto(seededRandom(seed ^ 0x5bd1e995));
    closeAll();
    this.trace = tell === undefined ? () => {} : (say) => tell(`${(this.timeline.now / 1000).toFixed(3)} ${say()}`);
    const { timeline, random, repository, trace } = this;
    this.disk = new Disk(database, () => random.next());
    this.disk.now = () => timeline.now;
    this.restics = new Restics({
      timeline,
      random,
      disk: this.disk,
      repository,
      now: () => BEGIN + timeline.now,
      onStart: (run, folder) => {
        trace(() => `restic begins in ${folder}`);
        this.ledger.onStart(run, folder, this.restics.living);
      },
      onShim: (run) => {
        const row = this.disk.database.prepare("SELECT cancel FROM runs WHERE uid = ?").get(run);
        if (row?.["cancel"] === 1) this.ledger.fail(`a restic is made ready for ${run}, which is cancelled`);
      },
      fate: () => this.#fate(),
    });
    this.machine = new Machine({
      timeline,
      random,
      disk: this.disk,
      restics: this.restics,
      identity: {
        host: { uid: HOST_UID, namespace: NAMESPACE, name: "web-1" },
        clusterID: "cluster",
        endpoint: "wss://holdfast/v1/agent",
        ca: [],
        credential: "hfa_backups_web-1_secret",
        ticket: "",
        highestEpoch: 0,
      },
      log: this.#log("agent"),
      onThrow: (error) => this.ledger.fail(`the agent ended by ${describe(error)}`),
      onCommand: (command, epoch) => this.ledger.onCommand(command, epoch),
      onAck: (forgotten) => this.ledger.onAck(forgotten),
      onReject: (refused) => this.ledger.onReject(refused),
      onConfig: () => this.slots.note(),
      trace,
    });
    this.server.onAccepted = (write) => {
      this.ledger.onAccepted(write);
      for (const replica of this.replicas) replica?.caches.wake(write.kind);
    };
    network.connect = (_identity, process, listener) => this.#dial(process, listener);
  }

  /** The resources there are, and everything started. */
  async begin(replicas: number, retries: number): Promise<void> {
    const { server } = this;
    const metadata = (name: string, uid = `uid-${name}`) => ({ namespace: NAMESPACE, name, uid });
    server.create(Secrets, { metadata: metadata("password"), data: { password: "c2VjcmV0" } });
    server.create(Hosts, { metadata: { ...metadata("web-1", HOST_UID), labels: { tier: "web" } }, spec: {} });
    server.create(Repositories, {
      metadata: metadata("offsite"),
      spec: { url: "b2:bucket:path", passwordFrom: { secretKeyRef: { name: "password", key: "password" } } },
    });
    const lastOpen = { phase: "Succeeded", observedGeneration: 1, hostRef: "web-1", time: "2026-01-01T00:00:00Z" };
    const ready = {
      type: "Ready",
      status: "True",
      reason: "Ready",
      message: "",
      lastTransitionTime: "2026-01-01T00:00:00Z",
    };
    server.applyStatus(
      Repositories,
      { metadata: metadata("offsite"), status: { repositoryID: REPOSITORY_ID, lastOpen, conditions: [ready] } },
      "set-up",
    );
    for (const name of ["www", "db"]) this.createPolicy(name, retries, name === "www" ? "* * * * *" : undefined);
    for (let index = 0; index < replicas; index++) this.startReplica(index);
    await this.machine.enrol();
    this.timeline.at(0, () => this.machine.start());
    this.#watchLeadership();
  }

  createPolicy(name: string, retries: number, schedule: string | undefined): void {
    this.server.create(BackupPolicies, {
      metadata: { namespace: NAMESPACE, name },
      spec: {
        hosts: { selector: { matchLabels: { tier: "web" } } },
        repository: { kind: "Repository", name: "offsite" },
        files: { paths: ["/srv/data"] },
        ...(schedule && { schedule, jitter: "0s" }),
        timeout: "10m",
        retries,
        successfulRunsHistoryLimit: 3,
        failedRunsHistoryLimit: 2,
      },
    });
  }

  /** The garbage collector takes its runs after a while. */
  deletePolicy({ metadata: { namespace, name, uid } }: BackupPolicy): void {
    const { server, timeline, random } = this;
    server.delete(BackupPolicies, `${namespace}/${name}`);
    const collect = (times: number) =>
      timeline.at(between(random, 10, 5_000), () => {
        for (const run of server.all(BackupRuns)) {
          if (run.metadata.ownerReferences?.some((owner) => owner.uid === uid)) server.delete(BackupRuns, keyOf(run));
        }
        // What was made of it just then.
        if (times > 0) collect(times - 1);
      });
    collect(3);
  }

  /** Wall time by the API server's clock. */
  now(): number {
    return Math.floor(BEGIN + this.timeline.now);
  }

  /** API requests so far. */
  get requests(): number {
    return this.#requestsOfDead + this.living.reduce((sum, { client }) => sum + client.requests, 0);
  }

  /** Ends every fault; what they have left behind is for the product to mend. */
  heal(): void {
    Object.assign(this.weather, FAIR);
    this.lag.ms = 60;
    this.lateFrames = this.refusedDials = 0;
    this.disk.fault = this.disk.killAfterWrites = undefined;
    for (const wire of this.wires) wire.server.bufferedAmount = 0;
    this.machine.setClock(0);
    for (const replica of this.living) {
      this.thaw(replica);
      replica.process.wallOffset = 0;
      for (const cache of replica.caches.all) cache.mend();
    }
  }

  /** Nothing of it goes on while the next one runs. */
  end(): void {
    this.machine.agent?.process.kill();
    for (const replica of this.living) replica.kill();
  }

  chance(share: number): boolean {
    return this.random.next() < share;
  }

  /** A moment of the wall clock that a replica or the agent may have: up to an hour off. */
  anyOffset(): number {
    return this.chance(0.3) ? 0 : between(this.random, -3_600_000, 3_600_000);
  }

  startReplica(index: number, wallOffset = 0): void {
    const identity = `op-${index}-${++this.#replicasMade}`;
    this.trace(() => `${identity}: starts`);
    this.replicas[index] = new Replica({
      ...this,
      identity,
      wallOffset,
      leaseState: (other) => this.#leaseState(identity, other),
      log: this.#log(identity),
      onThrow: (error) => this.ledger.fail(`${identity} threw ${describe(error)}`),
    });
  }

  /** kill -9, and another one takes its place after a while. */
  killReplica(index: number): void {
    const replica = this.replicas[index];
    if (replica === undefined) return;
    this.trace(() => `${replica.identity}: killed`);
    this.#silentSince.set(replica.identity, this.timeline.now);
    replica.kill();
    for (const wire of replica.wires) {
      wire.cut(this.chance(0.9) ? between(this.random, 1, 200) : undefined, undefined);
    }
    this.#replace(index, replica);
  }

  /** A rolling update: goaway, results under way, the Lease deleted. */
  stopReplica(index: number): void {
    const replica = this.replicas[index];
    if (replica === undefined || replica.process.frozen || replica.draining) return;
    this.trace(() => `${replica.identity}: drains`);
    replica.drain();
    replica.process.after(7_000, () => {
      if (this.replicas[index] !== replica) return;
      this.#drained.add(replica.identity);
      replica.kill();
      for (const wire of replica.wires) wire.cut(1, undefined);
      this.#replace(index, replica);
    });
  }

  #replace(index: number, gone: Replica): void {
    this.replicas[index] = undefined;
    this.#requestsOfDead += gone.client.requests;
    const offset = gone.process.wallOffset;
    this.timeline.at(between(this.random, 500, 20_000), () => {
      if (this.replicas[index] === undefined) this.startReplica(index, offset);
    });
  }

  freezeReplica(index: number, ms: number, asleep: boolean): void {
    const replica = this.replicas[index];
    if (replica === undefined || replica.process.frozen) return;
    this.trace(() => `${replica.identity}: stopped for ${Math.round(ms / 1000)} s${asleep ? ", asleep" : ""}`);
    this.#silentSince.set(replica.identity, this.timeline.now);
    replica.process.freeze(asleep);
    this.timeline.at(ms, () => this.thaw(replica));
  }

  thaw(replica: Replica): void {
    if (!replica.process.alive || !replica.process.frozen) return;
    this.trace(() => `${replica.identity}: goes on`);
    replica.process.thaw();
    // It finds out that its Lease is another's, but not before it has gone on with what it was about to do.
    const since = this.#silentSince.get(replica.identity) ?? 0;
    const lost = this.timeline.now - since > LEADER_MS;
    this.#silentSince.delete(replica.identity);
    if (lost && replica.leads) this.timeline.at(between(this.random, 0, 2_000), () => replica.follow());
  }

  get living(): Replica[] {
    return this.replicas.filter((replica) => replica !== undefined);
  }

  #leaseState(viewer: string, of: string): ReplicaState {
    if (this.#drained.has(of)) return "gone";
    if (this.weather.down) return "live";
    const since = viewer === of ? undefined : this.#silentSince.get(of);
    return since !== undefined && this.timeline.now - since > LEASE_MS ? "expired" : "live";
  }

  #watchLeadership(): void {
    const { timeline } = this;
    const active = this.living.filter(({ process, draining }) => !process.frozen && !draining);
    if (active.some(({ leads }) => leads)) this.#leaderGone = undefined;
    else {
      this.#leaderGone ??= timeline.now;
      const stopped = this.living.some(({ leads, draining }) => leads && !draining);
      const vacant = timeline.now - this.#leaderGone;
      if (vacant >= (stopped || timeline.now > 10_000 ? LEADER_MS : 0) && !this.weather.down) {
        const next = active[Math.floor(this.random.next() * active.length)];
        if (next) this.trace(() => `${next.identity}: leads`);
        next?.lead();
      }
    }
    timeline.at(5_000, () => this.#watchLeadership());
  }

  #dial(process: SimProcess, listener: Parameters<typeof network.connect>[2]): Wire {
    const { timeline, random } = this;
    const latency = () => (this.chance(this.lateFrames) ? between(random, 100, 20_000) : between(random, 0.2, 30));
    const wire = new Wire(timeline, latency);
    wire.agent = { process, listener };
    this.machine.wire = wire;
    this.wires.add(wire);
    timeline.at(latency(), () => {
      const { living } = this;
      const replica = living[Math.floor(random.next() * living.length)];
      const host = this.server.find(Hosts, HOST_KEY) as Host | undefined;
      if (replica === undefined) return wire.toAgent((to) => to.unreachable("nothing listens there"));
      if (replica.process.frozen) return;
      if (this.chance(this.refusedDials) || this.weather.down || replica.draining || !replica.caches.hasSynced) {
        const retryAfterMs = between(random, 5_000, 60_000);
        return wire.toAgent((to) => to.refused({ status: 503, retryAfterMs, message: "busy" }));
      }
      if (host?.metadata.uid !== HOST_UID) return wire.toAgent((to) => to.refused({ status: 401, message: "unknown" }));
      this.trace(() => `${replica.identity}: accepts a connection of ${process.name}`);
      replica.process.enter(() => replica.accept(wire, host));
      wire.toAgent((to) => to.open());
    });
    return wire;
  }

  #fate(): { ms: number; code: number | undefined } {
    const { random, restic } = this;
    const ms = between(random, 100, this.chance(0.2) ? restic.longestMs * 10 : restic.longestMs);
    if (this.chance(restic.unrecorded)) return { ms, code: undefined };
    if (this.chance(restic.failing)) return { ms, code: [1, 3, 11, 12][Math.floor(random.next() * 4)] };
    return { ms, code: 0 };
  }

  /** Nothing that is said there may be a defect. */
  #log(name: string) {
    const say = (level: string) => (fields: object, message: string) =>
      this.trace(() => `${name}: ${level}: ${message} ${JSON.stringify(fields)}`);
    const error = (fields: { error?: unknown; err?: unknown }, message: string) => {
      say("error")(fields, message);
      if (DEFECTS.includes(message)) this.ledger.fail(`${name} logged "${message}": ${fields.error}`);
    };
    const log = { debug: () => {}, info: say("info"), warn: say("warn"), error, child: () => log };
    return log;
  }
}

/** Errors in the log that no fault explains. */
const DEFECTS = ["reconcile threw", "a change handler threw", "session call failed", "disconnection not reported"];

/** What ends a process, in words. */
export function describe(error: unknown): string {
  if (error instanceof Killed || isTransient(error)) return String(error);
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
