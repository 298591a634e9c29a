import type { Clock } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import type { Log } from "../log.ts";
import type { Core } from "./core.ts";
import { type Connection, dial } from "./dial.ts";
import { newLink, step, wakeAt } from "./link-machine.ts";
import type { HelloFacts, LinkEffect, LinkEvent, LinkSettings, LinkState, Moment } from "./link-state.ts";

export interface LinkOptions {
  core: Core;
  settings: LinkSettings;
  clock: Clock;
  random: Random;
  log: Log;
}

export interface LinkStatus {
  connected: boolean;
  /** Milliseconds since 1970: since when it is connected or not. */
  since: number;
  /** When the server was last heard; absent without a session. */
  lastContact?: number;
  epoch?: number;
  /** Why it is not connected; empty where it is. */
  reason: string;
}

/** Runs the link machine: owns the socket, the clock and the one timer, and does to the core what the machine decides. */
export class Link {
  readonly #options: LinkOptions;
  readonly #events: LinkEvent[] = [];
  #state: LinkState;
  #connection: Connection | undefined;
  #stepping = false;
  #cancelTimer: () => void = () => {};
  #onChange: () => void = () => {};

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#state = newLink(options.settings, this.#now());
  }

  start(): void {
    this.#options.core.onRecord(() => this.#step({ type: "recorded" }));
    this.#options.core.onProgress((report) => this.#step({ type: "progress", report }));
    this.#setTimer();
  }

  /** Calls `listener` after each change of status or configuration; it must not throw. One listener. */
  onChange(listener: () => void): void {
    this.#onChange = listener;
  }

  /** Hangs up; nothing is dialled again. What is not acknowledged stays in the outbox. */
  stop(): void {
    this.#step({ type: "stop" });
  }

  status(): LinkStatus {
    const { status, session } = this.#state;
    const { clock } = this.#options;
    return {
      ...status,
      ...(session && { epoch: session.epoch, lastContact: clock.now() - (clock.monotonic() - session.heardAt) }),
    };
  }

  /** Effects cause events (what the core answers, a socket that fails at once); they wait until all effects are done. */
  #step(event: LinkEvent): void {
    this.#events.push(event);
    if (this.#stepping) return;
    this.#stepping = true;
    const { status } = this.#state;
    let configured = false;
    try {
      for (let next = this.#events.shift(); next; next = this.#events.shift()) {
        const [state, effects] = step(this.#state, next, this.#now());
        this.#state = state;
        configured ||= next.type === "config";
        for (const effect of effects) this.#perform(effect);
        // Also what ws answers to pings by itself waits there.
        const bytes = this.#connection?.buffered ?? 0;
        if (bytes !== this.#state.buffered && this.#connection) this.#events.push({ type: "buffered", bytes });
      }
    } finally {
      this.#stepping = false;
    }
    this.#setTimer();
    if (configured || this.#state.status !== status) this.#onChange();
  }

  #setTimer(): void {
    this.#cancelTimer();
    const at = wakeAt(this.#state);
    if (at === Number.POSITIVE_INFINITY) return;
    const { clock } = this.#options;
    this.#cancelTimer = clock.after(Math.max(0, at - clock.monotonic()), () => this.#step({ type: "tick" }));
  }

  #perform(effect: LinkEffect): void {
    const { core, log } = this.#options;
    switch (effect.type) {
      case "dial":
        this.#connection = this.#dial();
        return;
      case "send":
        this.#send(JSON.stringify(effect.frame));
        return;
      case "close":
        this.#connection?.close(effect.code, effect.reason);
        this.#connection = undefined;
        return;
      case "persist":
        core.updateIdentity(effect.change);
        return;
      case "apply":
        this.#events.push({ type: "config", id: effect.config.id, result: core.applyConfig(effect.config) });
        return;
      case "command":
        this.#events.push({ type: "answered", id: effect.command.id, answer: core.command(effect.command) });
        return;
      case "read":
        this.#events.push({
          type: "entries",
          entries: core.outbox.pending(effect.after, effect.limit),
          limit: effect.limit,
        });
        return;
      case "read_log":
        this.#events.push({ type: "log_read", id: effect.id, answer: core.readLog(effect.subject, effect.offset) });
        return;
      case "ack":
        core.outbox.ack(effect.stream, effect.seq);
        return;
      case "reject":
        core.outbox.reject(effect.stream, effect.seq, effect.code, effect.message);
        return;
      case "log":
        log[effect.level](effect.fields, effect.message);
        return;
    }
  }

  #dial(): Connection {
    const { core } = this.#options;
    return dial(core.identity(), {
      open: () => this.#step({ type: "connected", hello: helloFacts(core), stream: core.outbox.stream }),
      message: (text) => this.#step({ type: "message", text }),
      binary: () => this.#step({ type: "binary" }),
      heard: () => this.#step({ type: "heard" }),
      closed: (code, reason) => this.#step({ type: "closed", code, reason }),
      refused: (answer) => this.#step({ type: "refused", ...answer }),
      unreachable: (message) => this.#step({ type: "unreachable", message }),
    });
  }

  #send(text: string): void {
    const connection = this.#connection;
    if (!connection) return;
    connection.send(text, () => {
      if (this.#connection !== connection || this.#state.buffered === 0) return;
      this.#step({ type: "buffered", bytes: connection.buffered });
    });
  }

  #now(): Moment {
    const { clock, random } = this.#options;
    return { wall: clock.now(), monotonic: clock.monotonic(), chance: random.next() };
  }
}

/** What the core has to say in a hello. */
function helloFacts(core: Core): HelloFacts {
  const { host, highestEpoch, nonce } = core.identity();
  const { id, policies } = core.held();
  return {
    hostUID: host.uid,
    ...core.inventory(),
    highestEpoch,
    config: { ...(id === undefined ? {} : { id }), policies },
    active: core.active(),
    ...(nonce === undefined ? {} : { nonce }),
  };
}
