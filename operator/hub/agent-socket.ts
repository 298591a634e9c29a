import { WebSocket } from "ws";
import type { Clock } from "#base/clock.ts";
import { messageOf } from "#base/errors.ts";
import type { LogChunk, LogSubject } from "#protocol/frames.ts";
import { MAX_OUTBOUND_BYTES } from "#protocol/limits.ts";
import { closeReason, line } from "#protocol/text.ts";
import type { Log } from "../kube/log.ts";
import type { TokenBuckets } from "../kube/token-buckets.ts";
import type { HubMetrics } from "./hub-metrics.ts";
import type { Intake } from "./intake.ts";
import { LogReads } from "./log-reads.ts";
import { type Authenticated, type HubPorts, hostKey, type SessionFacts } from "./ports.ts";
import { Refusal } from "./refusal.ts";
import { newSession, step, wakeAt } from "./session.ts";
import type { Moment, SessionEffect, SessionEvent, SessionState } from "./session-state.ts";

/** How long the peer may take to answer a close frame. */
const CLOSE_TIMEOUT_MS = 5_000;

export interface AgentSocketOptions extends Authenticated {
  lifetimeMs: number;
  ports: HubPorts;
  clock: Clock;
  log: Log;
  metrics: HubMetrics;
  intake: Intake;
  /** What each host may cost the API server, by its key. */
  writes: TokenBuckets;
  onOpened(socket: AgentSocket): void;
  /** Called once an accepted session's connection is gone; the Host still says Connected. May come twice. */
  onLeft(socket: AgentSocket, facts: SessionFacts): void;
  /** Last call: the WebSocket is closed. */
  onClosed(socket: AgentSocket): void;
}

/** Runs one session machine on one WebSocket: performs its effects and feeds it what comes of them. */
export class AgentSocket {
  readonly #socket: WebSocket;
  readonly #options: AgentSocketOptions;
  readonly #log: Log;
  /** Aborts the calls of this session that are under way when its socket is gone. */
  readonly #gone = new AbortController();
  #state: SessionState;
  /** From the first question on. */
  #reads: LogReads | undefined;
  /** Bytes of the records in its queue. */
  #held = 0;

  constructor(socket: WebSocket, options: AgentSocketOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#log = options.log.child({ host: `${options.host.namespace}/${options.host.name}` });
    this.#state = newSession(options.host, options.lifetimeMs, this.#now());
    socket.on("message", (data, isBinary) =>
      this.step(isBinary ? { type: "binary" } : { type: "message", text: data.toString() }),
    );
    socket.on("ping", () => this.step({ type: "heard" }));
    socket.on("pong", () => this.step({ type: "heard" }));
    // ws has closed the connection by itself (1009 for a frame that is too large, 1002, 1007); `close` follows.
    socket.on("error", (error) => this.#log.info({ error: messageOf(error) }, "agent connection failed"));
    socket.on("close", (code, reason) => {
      this.step({ type: "closed", code, reason: line(reason.toString(), 128) });
      this.#gone.abort(new Error("agent connection closed"));
      options.onClosed(this);
    });
  }

  get state(): SessionState {
    return this.#state;
  }

  step(event: SessionEvent): void {
    const [state, effects] = step(this.#state, event, this.#now());
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
    this.#watchBuffer();
    this.#watchQueue();
  }

  /** Called every second. */
  tick(): void {
    this.#watchBuffer();
    this.#watchQueue();
    // What it says is not read just now: its silence is none.
    if (this.#socket.isPaused) this.step({ type: "heard" });
    if (wakeAt(this.#state) <= this.#options.clock.monotonic()) this.step({ type: "tick" });
  }

  /** As Hub.readLog. */
  readLog(subject: LogSubject, offset: number, signal: AbortSignal): Promise<LogChunk> {
    const { host, clock } = this.#options;
    if (this.#state.readsLogs) {
      this.#reads ??= new LogReads(hostKey(host), clock, this.#gone.signal, (event) => this.step(event));
      return this.#reads.read(subject, offset, signal);
    }
    const message = `the agent of Host ${hostKey(host)} is too old to show logs: upgrade it`;
    return Promise.reject(new Refusal(501, "agent_too_old", `${message}. status.logTail has the log's end`));
  }

  /** The last resort of a drain. */
  terminate(): void {
    this.#socket.terminate();
  }

  #watchBuffer(): void {
    const bytes = this.#socket.bufferedAmount;
    const full = bytes > MAX_OUTBOUND_BYTES;
    if (
      this.#state.phase !== "closed" &&
      (full ? !this.#state.congested || bytes > 2 * MAX_OUTBOUND_BYTES : this.#state.congested)
    ) {
      this.step({ type: "buffered", bytes });
    }
  }

  #watchQueue(): void {
    const { intake } = this.#options;
    const held = this.#state.queue.reduce((sum, { bytes }) => sum + bytes, 0);
    intake.changed(this.#held, held);
    this.#held = held;
    const read = intake.admits(held);
    if (read && this.#socket.isPaused) this.#socket.resume();
    else if (!read && !this.#socket.isPaused) this.#socket.pause();
  }

  #perform(effect: SessionEffect): void {
    const { ports, host, stillHolds, metrics } = this.#options;
    const signal = this.#gone.signal;
    switch (effect.type) {
      case "send":
        if (effect.frame.type === "hello_ack") this.#options.onOpened(this);
        if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(effect.frame));
        return;
      case "close":
        this.#close(effect.code, effect.reason);
        return;
      case "ping":
        if (this.#socket.readyState === WebSocket.OPEN) this.#socket.ping();
        return;
      case "open": {
        const { hello, receivedAt, facts } = effect;
        this.#call("open", ports.store.open({ host, stillHolds, hello, receivedAt, facts }, signal), (answer) =>
          "refused" in answer ? { type: "open_refused", refusal: answer.refused } : { type: "opened", session: answer },
        );
        return;
      }
      case "pull":
        this.#call("desired", ports.desired.desired(host, effect.held, signal), (desired) => ({
          type: "desired",
          desired,
        }));
        return;
      case "write":
        this.#call(
          "record",
          this.#turn().then(() => ports.records.write(host, effect.record, signal)),
          (result) => ({
            type: "written",
            result,
          }),
        );
        return;
      case "report":
        this.#call(
          "report",
          this.#turn().then(() => ports.store.report(host, this.#state.epoch, effect.facts, signal)),
          (result) => ({
            type: "reported",
            result,
          }),
        );
        return;
      case "progress":
        ports.progress.report(host, effect.frame);
        return;
      case "answered":
        ports.commands.answered(host, effect.answer);
        return;
      case "log_read":
        this.#reads?.answered(effect.answer);
        return;
      case "left":
        this.#options.onLeft(this, effect.facts);
        return;
      case "count":
        metrics.frames.inc({ type: effect.frame });
        return;
      case "log":
        this.#log[effect.level](effect.fields, effect.message);
        return;
    }
  }

  /** Resolves once the host may have something written. */
  async #turn(): Promise<void> {
    const { writes, host, clock } = this.#options;
    for (let wait = writes.take(hostKey(host)); wait > 0; wait = writes.take(hostKey(host))) {
      await clock.sleep(wait, this.#gone.signal);
    }
  }

  /** Feeds the machine what a port answered. A rejection after the connection is gone is the abort that was asked for. */
  #call<T>(port: string, answer: Promise<T>, event: (value: T) => SessionEvent): void {
    answer.then(
      (value) => this.step(event(value)),
      (error: unknown) => {
        if (this.#gone.signal.aborted) return;
        this.#log.error({ port, error: messageOf(error) }, "session call failed");
        this.step({ type: "failed", port });
      },
    );
  }

  #close(code: number, reason: string): void {
    this.#log.info({ code, reason, epoch: this.#state.epoch }, "session closed");
    this.#socket.close(code, closeReason(reason));
    const cancel = this.#options.clock.after(CLOSE_TIMEOUT_MS, () => this.#socket.terminate());
    this.#socket.once("close", cancel);
  }

  #now(): Moment {
    return { wall: this.#options.clock.now(), monotonic: this.#options.clock.monotonic() };
  }
}
