import { between, type Random, seededRandom } from "#base/random.ts";
import type { RunRecord } from "#protocol/record.ts";
import { helloFacts } from "../../agent/link/link.ts";
import { wakeAt as linkWakeAt, newLink, step as stepLink } from "../../agent/link/link-machine.ts";
import type { LinkEffect, LinkEvent, LinkState } from "../../agent/link/link-state.ts";
import { nextEpoch } from "../../operator/hub/epoch.ts";
import { judgeNonce, rotateNonces, type StoredNonces } from "../../operator/hub/nonce.ts";
import type { HostIdentity, SessionFacts } from "../../operator/hub/ports.ts";
import { newSession, wakeAt as sessionWakeAt, step as stepSession } from "../../operator/hub/session.ts";
import type { SessionEffect, SessionEvent, SessionState } from "../../operator/hub/session-state.ts";
import { configOf, MemoryCore } from "./wire-memory-core.ts";

const HOST: HostIdentity = { namespace: "backups", name: "web-1", uid: "host-uid" };
const REPLICAS = 3;
/** Ten times what a history takes. */
const MAX_EVENTS = 200_000;

/** One WebSocket: two ordered directions, each of which may silently stop to deliver. */
interface Wire {
  session: SimSession | undefined;
  toAgent: { at: number; dead: boolean };
  toServer: { at: number; dead: boolean };
  /** The agent's end was given up; nothing of it is heard. */
  agentGone: boolean;
}

interface SimSession {
  wire: Wire;
  replica: number;
  state: SessionState;
  /** The replica's process still runs. */
  alive: boolean;
}

/** What stands in Kubernetes. */
class Cluster {
  epoch = 0;
  connectedAt = -1;
  nonces: StoredNonces = {};
  epochs: number[] = [];
  facts: SessionFacts | undefined;
  written = new Map<string, RunRecord["phase"][]>();
  wanted = { version: 1, policies: ["a", "b"] };
  pending = new Set<string>();
  verdicts: string[] = [];
  /** Until when the API server answers slowly. */
  slowUntil = 0;
}

/** One agent's link and the sessions of three replicas, driven by one virtual clock and one seed. */
export class World {
  readonly random: Random;
  readonly cluster = new Cluster();
  readonly core = new MemoryCore();
  readonly sessions = new Set<SimSession>();
  now = 0;
  faults = true;
  link: LinkState;
  #wire: Wire | undefined;
  #generation = 0;
  #linkEvents: LinkEvent[] = [];
  #linkBusy = false;
  #queue: { at: number; order: number; run: () => void }[] = [];
  #order = 0;

  constructor(seed: number) {
    this.random = seededRandom(seed);
    this.link = newLink({ firstDelayMs: 10_000, maxDelayMs: 120_000, refusedDelayMs: 600_000 }, this.#moment());
    this.core.onRecord(() => this.stepLink({ type: "recorded" }));
    this.#wake();
  }

  at(delay: number, run: () => void): void {
    const at = this.now + delay;
    const entry = { at, order: this.#order++, run };
    let index = this.#queue.length;
    while (index > 0 && this.#queue[index - 1]!.at > at) index--;
    this.#queue.splice(index, 0, entry);
  }

  run(untilMs: number): void {
    let events = 0;
    while (this.#queue[0] && this.#queue[0].at <= untilMs) {
      const next = this.#queue.shift()!;
      if (++events > MAX_EVENTS) throw new Error(`the clock stands still at ${this.now} ms`);
      this.now = next.at;
      next.run();
    }
    this.now = untilMs;
  }

  chance(probability: number): boolean {
    return this.random.next() < probability;
  }

  /** The network drops the connection: each end hears of it soon, or never. */
  cut(): void {
    const wire = this.#wire;
    if (!wire) return;
    wire.toAgent.dead = true;
    wire.toServer.dead = true;
    if (this.chance(0.7))
      this.#tellAgent(wire, between(this.random, 0, 3000), { type: "closed", code: 1006, reason: "" });
    if (this.chance(0.7))
      this.#tellSession(wire.session, between(this.random, 0, 3000), { type: "closed", code: 1006, reason: "" });
  }

  /** kill -9 of one replica. */
  killReplica(): void {
    const replica = Math.floor(this.random.next() * REPLICAS);
    for (const session of [...this.sessions]) {
      if (session.replica !== replica) continue;
      session.alive = false;
      this.sessions.delete(session);
      session.wire.toServer.dead = true;
      if (this.chance(0.8)) this.#tellAgent(session.wire, 50, { type: "closed", code: 1006, reason: "" });
    }
  }

  drainReplica(): void {
    const replica = Math.floor(this.random.next() * REPLICAS);
    for (const session of [...this.sessions]) {
      if (session.replica === replica)
        this.stepSession(session, { type: "drain", retryAfterMs: between(this.random, 0, 30_000) | 0 });
    }
  }

  restartAgent(): void {
    this.#generation++;
    const wire = this.#wire;
    if (wire) {
      wire.agentGone = true;
      wire.toServer.dead = true;
      if (this.chance(0.8)) this.#tellSession(wire.session, 50, { type: "closed", code: 1006, reason: "" });
    }
    this.#wire = undefined;
    this.#linkEvents = [];
    this.core.restart();
    this.link = newLink(this.link.settings, this.#moment());
    this.core.onRecord(() => this.stepLink({ type: "recorded" }));
    this.#wake();
  }

  /** Something in the resources has changed. */
  refresh(): void {
    for (const session of this.sessions) this.#tellSession(session, between(this.random, 0, 500), { type: "refresh" });
  }

  stepLink(event: LinkEvent): void {
    this.#linkEvents.push(event);
    if (this.#linkBusy) return;
    this.#linkBusy = true;
    for (let next = this.#linkEvents.shift(); next; next = this.#linkEvents.shift()) {
      const [state, effects] = stepLink(this.link, next, this.#moment());
      this.link = state;
      for (const effect of effects) this.#performLink(effect);
    }
    this.#linkBusy = false;
    this.#wake();
  }

  stepSession(session: SimSession, event: SessionEvent): void {
    if (!session.alive) return;
    const [state, effects] = stepSession(session.state, event, { wall: this.now, monotonic: this.now });
    session.state = state;
    for (const effect of effects) this.#performSession(session, effect);
    if (event.type === "closed") this.sessions.delete(session);
  }

  #moment() {
    return { wall: this.now, monotonic: this.now, chance: this.random.next() };
  }

  #wake(): void {
    const at = linkWakeAt(this.link);
    const generation = this.#generation;
    if (at === Number.POSITIVE_INFINITY) return;
    this.at(Math.max(0, at - this.now), () => {
      if (generation === this.#generation && linkWakeAt(this.link) <= this.now) this.stepLink({ type: "tick" });
    });
  }

  #wakeSession(session: SimSession): void {
    this.at(1000, () => {
      if (!session.alive || session.state.phase === "closed") return;
      if (sessionWakeAt(session.state) <= this.now) this.stepSession(session, { type: "tick" });
      this.#wakeSession(session);
    });
  }

  #tellAgent(wire: Wire, delay: number, event: LinkEvent): void {
    wire.toAgent.at = Math.max(wire.toAgent.at, this.now + delay);
    this.at(wire.toAgent.at - this.now, () => {
      if (!wire.agentGone) this.stepLink(event);
    });
  }

  #tellSession(session: SimSession | undefined, delay: number, event: SessionEvent): void {
    this.at(delay, () => session && this.stepSession(session, event));
  }

  #latency(): number {
    return this.faults && this.chance(0.02) ? between(this.random, 0, 5000) : between(this.random, 1, 50);
  }

  #apiLatency(): number {
    return this.now < this.cluster.slowUntil ? between(this.random, 1000, 60_000) : between(this.random, 2, 100);
  }

  #performLink(effect: LinkEffect): void {
    const wire = this.#wire;
    switch (effect.type) {
      case "dial":
        this.#dial();
        return;
      case "send": {
        if (!wire) return;
        const text = JSON.stringify(effect.frame);
        wire.toServer.at = Math.max(wire.toServer.at, this.now + this.#latency());
        this.at(wire.toServer.at - this.now, () => {
          if (!wire.toServer.dead && wire.session) this.stepSession(wire.session, { type: "message", text });
        });
        return;
      }
      case "close":
        if (!wire) return;
        wire.agentGone = true;
        if (!wire.toServer.dead)
          this.#tellSession(wire.session, Math.max(0, wire.toServer.at - this.now) + 20, {
            type: "closed",
            code: effect.code,
            reason: effect.reason,
          });
        this.#wire = undefined;
        return;
      case "persist":
        this.core.updateIdentity(effect.change);
        return;
      case "apply":
        this.#linkEvents.push({ type: "config", id: effect.config.id, result: this.core.applyConfig(effect.config) });
        return;
      case "command":
        this.#linkEvents.push({ type: "answered", id: effect.command.id, answer: this.core.command(effect.command) });
        return;
      case "read":
        this.#linkEvents.push({
          type: "entries",
          entries: this.core.outbox.pending(effect.after, effect.limit),
          limit: effect.limit,
        });
        return;
      case "ack":
        this.core.outbox.ack(effect.stream, effect.seq);
        return;
      case "reject":
        this.core.outbox.reject(effect.stream, effect.seq);
        return;
      case "log":
        return;
    }
  }

  #dial(): void {
    const wire: Wire = {
      session: undefined,
      toAgent: { at: this.now, dead: false },
      toServer: { at: this.now, dead: false },
      agentGone: false,
    };
    this.#wire = wire;
    if (this.faults && this.chance(0.2)) {
      const refused = {
        type: "refused",
        status: 503,
        retryAfterMs: between(this.random, 5000, 60_000),
        message: "busy",
      } as const;
      this.#tellAgent(
        wire,
        100,
        this.chance(0.5) ? refused : { type: "unreachable", message: "nothing listens there" },
      );
      return;
    }
    this.at(this.#latency(), () => {
      if (wire.agentGone) return;
      const lifetimeMs = between(this.random, 6.4, 9.6) * 3_600_000;
      const state = newSession(HOST, lifetimeMs, { wall: this.now, monotonic: this.now });
      const session: SimSession = { wire, replica: Math.floor(this.random.next() * REPLICAS), state, alive: true };
      wire.session = session;
      this.sessions.add(session);
      this.#wakeSession(session);
      this.#tellAgent(wire, 10, { type: "connected", hello: helloFacts(this.core), stream: this.core.outbox.stream });
    });
  }

  #performSession(session: SimSession, effect: SessionEffect): void {
    const { cluster } = this;
    const { wire } = session;
    switch (effect.type) {
      case "send":
      case "ping": {
        const event: LinkEvent =
          effect.type === "ping" ? { type: "heard" } : { type: "message", text: JSON.stringify(effect.frame) };
        wire.toAgent.at = Math.max(wire.toAgent.at, this.now + this.#latency());
        this.at(wire.toAgent.at - this.now, () => {
          if (!wire.toAgent.dead && !wire.agentGone) this.stepLink(event);
        });
        return;
      }
      case "close":
        if (!wire.toAgent.dead) this.#tellAgent(wire, 20, { type: "closed", code: effect.code, reason: effect.reason });
        this.#tellSession(session, 30, { type: "closed", code: effect.code, reason: effect.reason });
        return;
      case "open":
        this.at(this.#apiLatency(), () => this.#open(session, effect));
        return;
      case "pull": {
        this.at(this.#apiLatency(), () => {
          const { version, policies } = cluster.wanted;
          const config = configOf(version, policies, effect.held);
          const commands = [...cluster.pending].map(
            (id) => ({ type: "run", id, name: id, policyUID: "a", ttlMs: 3_600_000, overrides: {} }) as const,
          );
          this.stepSession(session, { type: "desired", desired: { config, commands } });
        });
        return;
      }
      case "write":
        this.at(this.#apiLatency(), () => {
          if (!session.alive || (session.state.phase === "closed" && this.chance(0.5))) return;
          const { uid, phase } = effect.record as RunRecord;
          const phases = cluster.written.get(uid) ?? [];
          // mayReplace: what ended stays ended.
          const superseded = phases.includes("Succeeded");
          if (!superseded) cluster.written.set(uid, [...phases, phase]);
          if (phase === "Succeeded") cluster.pending.delete(uid);
          this.stepSession(session, { type: "written", result: { result: superseded ? "superseded" : "written" } });
        });
        return;
      case "report":
        this.at(this.#apiLatency(), () => {
          const superseded = session.state.epoch !== cluster.epoch;
          if (!superseded) cluster.facts = effect.facts;
          this.stepSession(session, { type: "reported", result: superseded ? "superseded" : "written" });
        });
        return;
      default:
        return;
    }
  }

  #open(session: SimSession, { hello, receivedAt, facts }: Extract<SessionEffect, { type: "open" }>): void {
    const { cluster } = this;
    if (!session.alive) return;
    if (cluster.connectedAt >= receivedAt) {
      const refusal = { code: "superseded", message: "a later hello was accepted" } as const;
      this.stepSession(session, { type: "open_refused", refusal });
      return;
    }
    cluster.verdicts.push(judgeNonce(cluster.nonces, hello.nonce, true));
    cluster.epoch = nextEpoch(cluster.epoch, hello.highestEpoch);
    cluster.epochs.push(cluster.epoch);
    cluster.connectedAt = receivedAt;
    cluster.facts = facts;
    const nonce = `nonce-${cluster.epoch}`;
    cluster.nonces = rotateNonces(hello.nonce, nonce);
    const { epoch } = cluster;
    this.stepSession(session, { type: "opened", session: { epoch, nonce, clusterID: "cluster" } });
    for (const other of this.sessions) {
      const seen = { uid: HOST.uid, epoch, revoked: false };
      if (other !== session) this.#tellSession(other, between(this.random, 0, 2000), { type: "observed", seen });
    }
  }
}
