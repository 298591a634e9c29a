import type { AgentFrame, Hello, LogSubject, ProgressFrame, ServerFrame } from "#protocol/frames.ts";
import type { Record } from "#protocol/record.ts";
import type {
  CommandAnswer,
  Desired,
  HostIdentity,
  OpenedSession,
  OpenRefusal,
  ReportResult,
  SeenHost,
  SessionFacts,
  WriteResult,
} from "./ports.ts";

/** When an event happened: wall time for what people and peers read, monotonic for every duration. Both in ms. */
export interface Moment {
  wall: number;
  monotonic: number;
}

/** `opening`: the hello is with the SessionStore. `leaving`: goaway was sent, results are still taken. */
export type SessionPhase = "hello" | "opening" | "live" | "leaving" | "closed";

export interface SentConfig {
  id: string;
  /** Id and tombstones: what makes a refused configuration worth another try. */
  key: string;
  policies: readonly string[];
}

export interface QueuedRecord {
  stream: string;
  seq: number;
  record: Record;
  /** Of the frame it came in: what it may cost to hold it. */
  bytes: number;
}

/** One agent's session on the operator, from the upgrade to its end. */
export interface SessionState {
  readonly phase: SessionPhase;
  readonly host: HostIdentity;
  /** 0 until it is accepted. */
  readonly epoch: number;
  readonly openedAt: number;
  readonly heardAt: number;
  readonly pingAt: number;
  /** When this phase ends by itself: hello and open timeouts, connection age, the end of a goaway's grace. */
  readonly phaseEndsAt: number;
  /** From openedAt. */
  readonly lifetimeMs: number;
  readonly malformed: number;
  /** Frames received in the second that began at `since`, less the records written and the logs asked for in it. */
  readonly rate: { readonly since: number; readonly frames: number };
  readonly facts: SessionFacts;
  /** UIDs of the policies the agent holds. */
  readonly held: readonly string[];
  /** `pending`: as OpenedSession.configPending, until this session has said something newer. */
  readonly config: {
    readonly sent: readonly SentConfig[];
    readonly refusedKey?: string;
    /** When (monotonic) what was refused is sent once more; absent: not before something has changed. */
    readonly retryAt?: number;
    readonly pending?: boolean;
  };
  /** Ids of the commands that were sent in this session and are still desired. */
  readonly commands: ReadonlySet<string>;
  /** One call of each kind is under way at most; `again`: what it was asked for has changed since. */
  readonly pull: Flight;
  readonly report: Flight;
  /** The agent can be asked for logs. */
  readonly readsLogs: boolean;
  /** The id of the piece of a log that it was asked for and has not answered; one at a time. */
  readonly reading?: string;
  /** The first one is with the RecordSink. */
  readonly queue: readonly QueuedRecord[];
  /** The last record seen, so that one sent twice is not written twice. */
  readonly last?: { readonly stream: string; readonly seq: number };
  /** Since when more than MAX_OUTBOUND_BYTES wait for the agent, and what is to be sent once they do not. */
  readonly congested?: { readonly since: number; readonly desired?: Desired };
  /** Why this side closed it; absent where the peer or the network did. */
  readonly ending?: string;
  /** The Host belongs to another session or is gone: its end is not this one's to tell. */
  readonly disowned?: boolean;
}

export type LogAnswer = Extract<AgentFrame, { type: "log_chunk" | "log_missing" }>;

export type Flight = "idle" | "busy" | "again";

export type SessionEvent =
  | { type: "message"; text: string }
  /** A WebSocket ping or pong. */
  | { type: "heard" }
  | { type: "binary" }
  /** Bytes that wait in the socket. */
  | { type: "buffered"; bytes: number }
  | { type: "tick" }
  | { type: "opened"; session: OpenedSession }
  | { type: "open_refused"; refusal: OpenRefusal }
  | { type: "refresh" }
  | { type: "desired"; desired: Desired }
  | { type: "written"; result: WriteResult }
  | { type: "reported"; result: ReportResult }
  | { type: "observed"; seen: SeenHost | undefined }
  | { type: "read_log"; id: string; subject: LogSubject; offset: number }
  | { type: "drain"; retryAfterMs: number }
  /** A port failed where it must not. */
  | { type: "failed"; port: string }
  | { type: "closed"; code: number; reason: string };

export type SessionEffect =
  | { type: "send"; frame: ServerFrame }
  | { type: "close"; code: number; reason: string }
  | { type: "ping" }
  | { type: "open"; hello: Hello; receivedAt: number; facts: SessionFacts }
  | { type: "pull"; held: readonly string[] }
  | { type: "write"; record: Record }
  | { type: "report"; facts: SessionFacts }
  | { type: "progress"; frame: ProgressFrame }
  | { type: "answered"; answer: CommandAnswer }
  | { type: "log_read"; answer: LogAnswer }
  /** The socket of an accepted session is gone; `facts` are to be reported unless another session opens within the grace. */
  | { type: "left"; facts: SessionFacts }
  | { type: "count"; frame: AgentFrame["type"] | "malformed" | "unsupported" | "unasked" }
  | { type: "log"; level: "info" | "warn"; message: string; fields: object };

export type Step = [SessionState, SessionEffect[]];

/** Ends the session from this side; `first` are frames that go out before. */
export function close(state: SessionState, code: number, reason: string, first: SessionEffect[] = []): Step {
  return [{ ...state, phase: "closed", ending: reason, queue: [] }, [...first, { type: "close", code, reason }]];
}

type ErrorCode = Extract<ServerFrame, { type: "error" }>["code"];

export function errorEffect(code: ErrorCode, message: string): SessionEffect {
  return { type: "send", frame: { type: "error", code, message: message.slice(0, 1024) } };
}
