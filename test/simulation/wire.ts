import { EventEmitter } from "node:events";
import type { Identity } from "../../agent/link/core.ts";
import type { Listener } from "../../agent/link/dial.ts";
import type { SimProcess } from "./process.ts";
import type { Timeline } from "./timeline.ts";

/**
 * One WebSocket: two ordered directions, each of which may slow down or silently stop to deliver. What TCP cannot do does
 * not happen in it: no frame is lost, doubled or overtaken while the connection goes on. All of that happens across
 * connections: frames are lost with theirs, records and commands come again in the next one, and what is still on its way
 * in an old one arrives while a new one is open already, at another replica as well.
 */
export class Wire {
  readonly server = new ServerEnd(this);
  agent: { readonly process: SimProcess; readonly listener: Listener } | undefined;
  /** The operator's process at the other end; undefined until it has accepted. */
  replica: SimProcess | undefined;
  readonly #timeline: Timeline;
  readonly #latency: () => number;
  #toAgent = { at: 0, dead: false };
  #toServer = { at: 0, dead: false };

  constructor(timeline: Timeline, latency: () => number) {
    this.#timeline = timeline;
    this.#latency = latency;
  }

  /** Each end hears of it after this long, or never (then it is half open, and only silence tells). */
  cut(agentHears: number | undefined, serverHears: number | undefined): void {
    this.#toAgent.dead = this.#toServer.dead = true;
    if (agentHears !== undefined) this.#timeline.at(agentHears, () => this.#agentHears((to) => to.closed(1006, "")));
    if (serverHears !== undefined)
      this.#timeline.at(serverHears, () => this.#serverHears(() => this.#closed(1006, "")));
  }

  /** One direction only stops to deliver. */
  deafen(direction: "agent" | "server"): void {
    (direction === "agent" ? this.#toAgent : this.#toServer).dead = true;
  }

  toAgent(tell: (to: Listener) => void): void {
    this.#send(this.#toAgent, () => this.#agentHears(tell));
  }

  toServer(tell: () => void): void {
    this.#send(this.#toServer, () => this.#serverHears(tell));
  }

  /** The agent's own close, or its death with the kernel still there. */
  agentCloses(code: number, reason: string): void {
    this.agent = undefined;
    this.toServer(() => this.#closed(code, reason));
  }

  serverCloses(code: number, reason: string): void {
    this.toAgent((to) => to.closed(code, reason));
    // The peer's answer, or the timeout of whoever closes.
    const wait = this.agent === undefined || this.#toAgent.dead || this.#toServer.dead ? 5_000 : 2 * this.#latency();
    this.#timeline.at(wait, () => this.#serverHears(() => this.#closed(code, reason)));
  }

  #send(direction: { at: number; dead: boolean }, deliver: () => void): void {
    if (direction.dead) return;
    direction.at = Math.max(direction.at, this.#timeline.now + this.#latency());
    this.#timeline.at(direction.at - this.#timeline.now, () => {
      if (!direction.dead) deliver();
    });
  }

  #agentHears(tell: (to: Listener) => void): void {
    const { agent } = this;
    agent?.process.enter(() => {
      if (this.agent === agent) tell(agent.listener);
    });
  }

  #serverHears(tell: () => void): void {
    this.replica?.enter(() => {
      if (this.server.readyState !== CLOSED) tell();
    });
  }

  #closed(code: number, reason: string): void {
    if (this.server.readyState === CLOSED) return;
    this.server.readyState = CLOSED;
    this.server.emit("close", code, Buffer.from(reason));
  }
}

const OPEN = 1;
const CLOSING = 2;
const CLOSED = 3;

/** The operator's end, as the `ws` library shows it. */
class ServerEnd extends EventEmitter {
  readyState = OPEN;
  bufferedAmount = 0;
  isPaused = false;
  readonly #unread: string[] = [];
  readonly #wire: Wire;

  constructor(wire: Wire) {
    super();
    this.#wire = wire;
  }

  send(text: string): void {
    this.#wire.toAgent((to) => to.message(text));
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    for (const text of this.#unread.splice(0)) this.hear(text);
  }

  /** A frame of the agent's. */
  hear(text: string): void {
    if (this.isPaused) this.#unread.push(text);
    else this.emit("message", Buffer.from(text), false);
  }

  ping(): void {
    this.#wire.toAgent((to) => {
      to.heard();
      this.#wire.toServer(() => this.emit("pong"));
    });
  }

  close(code: number, reason: string): void {
    if (this.readyState !== OPEN) return;
    this.readyState = CLOSING;
    this.#wire.serverCloses(code, reason);
  }

  terminate(): void {
    if (this.readyState === CLOSED) return;
    this.readyState = CLOSED;
    this.emit("close", 1006, Buffer.from(""));
  }
}

/** Where dials go; set by the history that runs. */
export const network: { connect: (identity: Identity, process: SimProcess, listener: Listener) => Wire | undefined } = {
  connect: () => undefined,
};
