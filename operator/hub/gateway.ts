import type { IncomingMessage } from "node:http";
import type { Server } from "node:https";
import type { Duplex } from "node:stream";
import { setImmediate } from "node:timers/promises";
import type { Registry } from "prom-client";
import { WebSocketServer } from "ws";
import type { Clock } from "#base/clock.ts";
import { messageOf } from "#base/errors.ts";
import { between, type Random } from "#base/random.ts";
import { TICKET_HEADER } from "#protocol/enroll.ts";
import { HEADERS_TIMEOUT_MS, MAX_FRAME_BYTES } from "#protocol/limits.ts";
import type { Log } from "../kube/log.ts";
import { TokenBuckets } from "../kube/token-buckets.ts";
import { Admission, type UpgradeRefusal } from "./admission.ts";
import { AgentSocket } from "./agent-socket.ts";
import { hubMetrics } from "./hub-metrics.ts";
import { Intake } from "./intake.ts";
import { offline } from "./log-reads.ts";
import { networkOf } from "./network-of.ts";
import {
  type Authenticated,
  type AuthenticationRefusal,
  type AuthenticationRequest,
  type HostKey,
  type Hub,
  type HubPorts,
  hostKey,
} from "./ports.ts";
import { rawAnswer } from "./raw-answer.ts";
import { GOAWAY_GRACE_MS } from "./session.ts";
import { Sessions } from "./sessions.ts";

/** Path of the agent endpoint. */
const AGENT_PATH = "/v1/agent";
/** Agents of a replica that stops come back over this long. */
const DRAIN_SPREAD_MS = 30_000;
const REFRESH_SPREAD_MS = 5_000;
const AUTHENTICATION_TIMEOUT_MS = 15_000;
/** Connections are asked to leave at this age, so that new replicas get their share. */
const LIFETIME_MS = { from: 6.4 * 3_600_000, to: 9.6 * 3_600_000 };
const TICK_MS = 1_000;
/**
 * What one host may have written, results and facts of its session together: the backlog of days passes in minutes, and an
 * agent that makes results up costs no more than others.
 */
export const WRITES = { perSecond: 10, burst: 2000 };
/** Thousands of closes in one turn would stall the event loop (measured: 9,000 take 0.7 s). */
const SLICE = 100;
/**
 * An honest agent sends whole frames in TLS records of up to 16 KiB; ws by itself lets one connection hold 256 Ki pieces,
 * which cost a hundred bytes each whatever their size.
 */
const MAX_PIECES = { maxFragments: 64, maxBufferedChunks: 4096 };

export interface GatewayOptions {
  ports: HubPorts;
  clock: Clock;
  random: Random;
  log: Log;
  registry: Registry;
  /** Connections of the whole replica. */
  admission?: { perSecond: number; burst: number };
  /** Bytes held for the API server. */
  intake?: { session: number; replica: number };
  /** Of one host. */
  writes?: { perSecond: number; burst: number };
}

/** The agents' side of one replica: accepts, authenticates and admits their WebSockets, and holds their sessions. */
export class Gateway implements Hub {
  readonly #options: GatewayOptions;
  // perMessageDeflate: measured 228 KB a connection with it, 7 KB without.
  readonly #upgrader = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: MAX_FRAME_BYTES,
    perMessageDeflate: false,
    ...MAX_PIECES,
  });
  readonly #metrics: ReturnType<typeof hubMetrics>;
  readonly #admission: Admission;
  readonly #intake: Intake;
  readonly #sessions: Sessions;
  readonly #writes: TokenBuckets;
  readonly #stopped = new AbortController();
  #draining = false;
  #cancelTick: () => void;

  constructor(options: GatewayOptions) {
    this.#options = options;
    this.#sessions = new Sessions({ ...options, store: options.ports.store, signal: this.#stopped.signal });
    this.#upgrader.on("wsClientError", (error: Error, socket: Duplex) => {
      rawAnswer(socket, { status: 400, code: "bad_request", message: error.message });
    });
    this.#metrics = hubMetrics(options.registry, {
      connected: () => this.#sessions.connected().length,
      heldBytes: () => this.#intake.total,
    });
    this.#admission = new Admission({ ...options, all: options.admission });
    this.#intake = new Intake(options.intake);
    this.#writes = new TokenBuckets({ ...WRITES, ...options.writes, clock: options.clock });
    const tick = () => {
      for (const socket of this.#sessions.sockets()) socket.tick();
      this.#cancelTick = options.clock.after(TICK_MS, tick);
    };
    this.#cancelTick = options.clock.after(TICK_MS, tick);
  }

  /** Takes the upgrade requests of `server`, which stays its owner's; any other path is answered 404. */
  attach(server: Server): void {
    server.headersTimeout = HEADERS_TIMEOUT_MS;
    server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      // Nobody else listens while the request is being authenticated; an unheard error would end the process.
      socket.on("error", () => socket.destroy());
      void this.#upgrade(request, socket, head).catch((error: unknown) => {
        this.#options.log.error({ error: messageOf(error) }, "agent upgrade failed");
        socket.destroy();
      });
    });
  }

  /** Says goaway to every agent and waits until all have left or the grace is over. Accepts none from now on. */
  async drain(): Promise<void> {
    this.#draining = true;
    let count = 0;
    for (const socket of this.#sessions.sockets()) {
      socket.step({ type: "drain", retryAfterMs: Math.floor(between(this.#options.random, 0, DRAIN_SPREAD_MS)) });
      if (++count % SLICE === 0) await setImmediate();
    }
    const deadline = this.#options.clock.monotonic() + GOAWAY_GRACE_MS + 2 * TICK_MS;
    await this.#sessions.empty(deadline - this.#options.clock.monotonic());
    this.#cancelTick();
    this.#stopped.abort(new Error("gateway drained"));
    for (const socket of this.#sessions.sockets()) {
      socket.terminate();
      if (++count % SLICE === 0) await setImmediate();
    }
  }

  refresh(host: HostKey): void {
    this.#sessions.accepted(host)?.step({ type: "refresh" });
  }

  refreshAll(): void {
    const { clock, random } = this.#options;
    for (const key of this.connected()) clock.after(between(random, 0, REFRESH_SPREAD_MS), () => this.refresh(key));
  }

  observe(host: HostKey, seen: Parameters<Hub["observe"]>[1]): void {
    for (const socket of this.#sessions.of(host)) socket.step({ type: "observed", seen });
  }

  session(host: HostKey): ReturnType<Hub["session"]> {
    const state = this.#sessions.accepted(host)?.state;
    return state && { host: state.host, epoch: state.epoch, applied: state.facts.applied };
  }

  async readLog(host: HostKey, ...what: Parameters<AgentSocket["readLog"]>): ReturnType<Hub["readLog"]> {
    const socket = this.#sessions.accepted(host);
    if (socket === undefined) throw offline(host);
    return socket.readLog(...what);
  }

  connected(): HostKey[] {
    return this.#sessions.connected();
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const admitted = await this.#admit(request, socket);
    if (socket.destroyed) return;
    if ("code" in admitted) {
      this.#metrics.refused.inc({ code: admitted.code });
      rawAnswer(socket, admitted);
      return;
    }
    this.#upgrader.handleUpgrade(request, socket, head, (webSocket) => {
      const socket = new AgentSocket(webSocket, {
        ...this.#options,
        ...admitted,
        intake: this.#intake,
        writes: this.#writes,
        lifetimeMs: between(this.#options.random, LIFETIME_MS.from, LIFETIME_MS.to),
        metrics: this.#metrics,
        onOpened: (opened) => {
          this.#metrics.opened.inc();
          this.#sessions.opened(opened);
        },
        onLeft: (left, facts) => this.#sessions.left(left, facts),
        onClosed: (closed) => this.#sessions.remove(closed),
      });
      this.#sessions.add(socket);
    });
  }

  /** Whose agent asks, or what it is answered. */
  async #admit(request: IncomingMessage, socket: Duplex): Promise<Authenticated | UpgradeRefusal> {
    if (request.url?.split("?")[0] !== AGENT_PATH) {
      return { status: 404, code: "not_found", message: `WebSockets are at ${AGENT_PATH} only` };
    }
    const { [TICKET_HEADER]: ticket, authorization } = request.headers;
    const shown: AuthenticationRequest = {
      authorization,
      ticket: typeof ticket === "string" ? ticket : undefined,
      remoteAddress: request.socket.remoteAddress ?? "",
    };
    const asker = this.#options.ports.authenticator.vouched(shown) ?? networkOf(shown.remoteAddress);
    const refusal = this.#draining ? this.#admission.busy() : this.#admission.request(asker);
    if (refusal !== undefined) return refusal;
    const answer = await this.#authenticate(shown, socket);
    if ("refused" in answer) return this.#admission.refused(answer.refused, asker);
    return this.#admission.host(hostKey(answer.host), asker) ?? answer;
  }

  async #authenticate(
    shown: AuthenticationRequest,
    socket: Duplex,
  ): Promise<Authenticated | { refused: AuthenticationRefusal }> {
    const given = new AbortController();
    const cancel = this.#options.clock.after(AUTHENTICATION_TIMEOUT_MS, () => given.abort(new Error("timed out")));
    socket.once("close", () => given.abort(new Error("connection closed")));
    try {
      return await this.#options.ports.authenticator.authenticate(shown, given.signal);
    } catch (error) {
      if (!given.signal.aborted) this.#options.log.error({ error: messageOf(error) }, "authentication failed");
      const message = "the operator cannot check credentials just now; try again";
      return { refused: { status: 503, code: "unavailable", message } };
    } finally {
      cancel();
    }
  }
}
