import type { Command } from "#protocol/command.ts";
import type { Config } from "#protocol/config.ts";
import type { AgentFrame, Hello, LogSubject, ServerFrame } from "#protocol/frames.ts";
import type { Core, Identity, OutboxEntry, ProgressReport } from "./core.ts";

/** When an event happened, and the one random number in [0, 1) that what follows from it may use. */
export interface Moment {
  /** Milliseconds since 1970. */
  wall: number;
  monotonic: number;
  chance: number;
}

export interface LinkSettings {
  /** The first try after a start or a lost connection comes within this, at random; each failure doubles it. */
  firstDelayMs: number;
  /** Upper bound of the delay. */
  maxDelayMs: number;
  /** Delay after 401, 403 or "protocol too old": nothing here will change soon, but somebody may mend it. */
  refusedDelayMs: number;
}

export const DEFAULT_LINK_SETTINGS: LinkSettings = {
  firstDelayMs: 10_000,
  maxDelayMs: 120_000,
  refusedDelayMs: 600_000,
};

/** What a hello says, as the core knows it when the socket opens. */
export type HelloFacts = Omit<Hello, "type" | "protocol" | "wallTime">;

/** `waiting` until the next try; `dialing` until the WebSocket is open; `greeting` until hello_ack; then `live`. */
export type LinkPhase = "waiting" | "dialing" | "greeting" | "live" | "stopped";

/** The agent's end of the connection. */
export interface LinkState {
  readonly phase: LinkPhase;
  readonly settings: LinkSettings;
  /** When the phase ends by itself (monotonic). */
  readonly until: number;
  /** Tries since the last session that lasted. */
  readonly failures: number;
  /** Since when (wall) it is connected or not, and why not. */
  readonly status: { readonly connected: boolean; readonly since: number; readonly reason: string };
  readonly session?: LiveSession;
  /** Of the hello that is waiting for its hello_ack. */
  readonly greeted?: { readonly hostUID: string; readonly highestEpoch: number };
  readonly malformed: number;
  /** Bytes that wait in the socket. */
  readonly buffered: number;
  readonly outbox: SentRecords;
  readonly progress: ReadonlyMap<string, PacedProgress>;
}

export interface LiveSession {
  readonly epoch: number;
  readonly startedAt: number;
  readonly heardAt: number;
  readonly heartbeatMs: number;
  readonly heartbeatAt: number;
  /** goaway was received: leave once the records under way are acknowledged, and come back after this long. */
  readonly retryAfterMs?: number;
}

/** What of the outbox is on its way in this connection. */
export interface SentRecords {
  readonly stream: string;
  readonly sentUpTo: number;
  readonly unacked: readonly number[];
  /** The outbox may hold entries after sentUpTo. */
  readonly more: boolean;
}

export interface PacedProgress {
  readonly sentAt: number;
  readonly waiting?: ProgressReport;
}

export type LinkEvent =
  | { type: "tick" }
  | { type: "connected"; hello: HelloFacts; stream: string }
  /** An HTTP answer instead of an upgrade. */
  | { type: "refused"; status: number; retryAfterMs?: number; message: string }
  /** No answer at all: name, network, TLS. */
  | { type: "unreachable"; message: string }
  | { type: "message"; text: string }
  | { type: "binary" }
  /** A WebSocket ping or pong. */
  | { type: "heard" }
  | { type: "closed"; code: number; reason: string }
  | { type: "buffered"; bytes: number }
  | { type: "recorded" }
  | { type: "entries"; entries: readonly OutboxEntry[]; limit: number }
  | { type: "progress"; report: ProgressReport }
  | { type: "config"; id: string; result: ReturnType<Core["applyConfig"]> }
  | { type: "answered"; id: string; answer: ReturnType<Core["command"]> }
  | { type: "log_read"; id: string; answer: ReturnType<Core["readLog"]> }
  | { type: "stop" };

/** Performed in their order; each is complete (and durable, where it says so) before the next. */
export type LinkEffect =
  | { type: "dial" }
  | { type: "send"; frame: AgentFrame }
  /** Ends the connection; nothing of it is heard afterwards. */
  | { type: "close"; code: number; reason: string }
  /** Core.updateIdentity: durable. */
  | { type: "persist"; change: Partial<Identity> }
  | { type: "apply"; config: Config }
  | { type: "command"; command: Command }
  | { type: "read"; after: number; limit: number }
  | { type: "read_log"; id: string; subject: LogSubject; offset: number }
  | { type: "ack"; stream: string; seq: number }
  | { type: "reject"; stream: string; seq: number; code: string; message: string }
  | { type: "log"; level: "info" | "warn"; message: string; fields: object };

export type Step = [LinkState, LinkEffect[]];

export type FrameOf<T extends ServerFrame["type"]> = Extract<ServerFrame, { type: T }>;

type ErrorCode = FrameOf<"error">["code"];

export function errorEffect(code: ErrorCode, message: string): LinkEffect {
  return { type: "send", frame: { type: "error", code, message: message.slice(0, 1024) } };
}
