import { z } from "zod";
import { commandFrames } from "./command.ts";
import { config } from "./config.ts";
import { maskTokens } from "./enroll.ts";
import * as field from "./fields.ts";
import { MAX_ACTIVE, MAX_FRAME_BYTES } from "./limits.ts";
import { progress, record } from "./record.ts";

/**
 * The frames of `GET /v1/agent`: JSON text, one object each. Unknown members are dropped; an unknown type is answered
 * with an `unsupported` error and changes nothing, so that either side may be newer.
 */

/** First frame of the agent. */
export const hello = z.object({
  type: z.literal("hello"),
  protocol: z.int().min(1),
  hostUID: field.uid,
  /** The kernel's boot id: tells a restart of the agent from one of the machine. */
  bootID: field.short,
  agent: z.object({
    version: field.short,
    /** restic's version, empty where the agent found none. */
    restic: field.short,
    os: field.short,
    arch: field.short,
    hostname: field.short,
    kernel: field.short,
    installedAs: z.enum(["Process", "Service", "DaemonSet"]),
    capabilities: z.array(field.word).max(32),
  }),
  wallTime: field.time,
  highestEpoch: field.epoch,
  /** What the agent holds now: the id it last applied (absent: none) and the policies that go with it. */
  config: z.object({ id: field.digest.optional(), policies: z.array(field.uid).max(1024) }),
  /** Runs and restores that are queued or running. */
  active: z.array(field.uid).max(MAX_ACTIVE),
  /** The nonce of the last hello_ack; absent on the first connection. */
  nonce: z.string().max(64).optional(),
});
export type Hello = z.infer<typeof hello>;

const helloAck = z.object({
  type: z.literal("hello_ack"),
  epoch: field.epoch,
  serverTime: field.time,
  heartbeatIntervalMs: z.int().min(1000).max(300_000),
  /** To be shown by the next hello; written to disk before anything else is done with this frame. */
  nonce: z.string().max(64),
  clusterID: z.string().min(1).max(64),
  host: z.object({ uid: field.uid, namespace: field.namespace, name: field.name }),
});

const heartbeat = z.object({ type: z.literal("heartbeat"), wallTime: field.time });

const configFrame = z.object({ type: z.literal("config"), epoch: field.epoch, config });
/** The config is on the agent's disk and in force. */
const configApplied = z.object({ type: z.literal("config_applied"), id: field.digest });
/** The agent keeps what it had. */
const configRefused = z.object({
  type: z.literal("config_refused"),
  id: field.digest,
  reason: field.reason,
  message: field.message,
});

/** A durable message; `stream` is random at each opening of the agent's database, `seq` rises by one in it. */
export const recordFrame = z.object({
  type: z.literal("record"),
  stream: field.uid,
  seq: z.int().min(1),
  record,
});
export type RecordFrame = z.infer<typeof recordFrame>;
/** Everything of `stream` up to and with `seq` is written to Kubernetes: the agent may forget it. */
const ack = z.object({ type: z.literal("ack"), epoch: field.epoch, stream: field.uid, seq: z.int().min(1) });
/** Kubernetes refuses this record for good; the agent keeps it aside and goes on with the next. */
const rejected = z.object({
  type: z.literal("rejected"),
  epoch: field.epoch,
  stream: field.uid,
  seq: z.int().min(1),
  code: field.word,
  message: field.message,
});

/** Latest wins; never queued, never acknowledged. */
export const progressFrame = z.object({
  type: z.literal("progress"),
  kind: z.enum(["run", "restore", "task"]),
  uid: field.uid,
  /** The BackupRun, the Restore, or the Repository of a task. */
  name: field.name,
  attempt: z.int().min(0).max(100),
  phase: z.enum(["Queued", "Running"]),
  reason: field.reason,
  message: field.message,
  startTime: field.time.optional(),
  progress: progress.optional(),
});
export type ProgressFrame = z.infer<typeof progressFrame>;

/** What became of a command on arrival. Its result comes as a record. */
const commandStatus = z.object({
  type: z.literal("command_status"),
  id: field.uid,
  state: z.enum(["accepted", "duplicate", "expired", "stale_epoch", "refused"]),
  message: field.message.optional(),
});

/** A run or restore by what it is called on the agent: a run's `runID`, else the UID of the resource. */
export const logSubject = z.object({ kind: z.enum(["run", "restore"]), uid: field.uid });
export type LogSubject = z.infer<typeof logSubject>;

/** Asks for a piece of the log of `subject`, from this byte on; `id` is the question's, in this connection. */
const readLogFrame = z.object({
  type: z.literal("read_log"),
  epoch: field.epoch,
  id: field.uid,
  subject: logSubject,
  offset: field.count,
});

/**
 * A piece of a log, whole lines where they fit and no half character: `offset` is up to three bytes before the one that was
 * asked for, `next` the one to ask for then; what is no UTF-8 has another length in `text` than on disk. `size`: bytes of the
 * log now. `ended`: nothing will follow this piece.
 */
const logChunkFrame = z.object({
  type: z.literal("log_chunk"),
  id: field.uid,
  offset: field.count,
  next: field.count,
  text: field.logText,
  size: field.count,
  ended: z.boolean(),
});
export type LogChunk = Omit<z.infer<typeof logChunkFrame>, "type" | "id">;

/** There is no such log (yet, or any more). */
const logMissingFrame = z.object({ type: z.literal("log_missing"), id: field.uid, message: field.message });

/** Either side: the last frame could not be used. */
const errorFrame = z.object({
  type: z.literal("error"),
  code: z.enum([
    "malformed",
    "unsupported",
    "unexpected",
    "forbidden",
    "protocol_too_old",
    "host_unknown",
    "identity_conflict",
    "internal",
  ]),
  message: field.message,
});

/** The server closes soon; come back after this long. */
const goaway = z.object({ type: z.literal("goaway"), retryAfterMs: field.durationMs });

export const agentFrame = z.discriminatedUnion("type", [
  hello,
  heartbeat,
  configApplied,
  configRefused,
  recordFrame,
  progressFrame,
  commandStatus,
  logChunkFrame,
  logMissingFrame,
  errorFrame,
]);
export type AgentFrame = z.infer<typeof agentFrame>;

export const serverFrame = z.discriminatedUnion("type", [
  helloAck,
  configFrame,
  ...commandFrames,
  ack,
  rejected,
  readLogFrame,
  goaway,
  errorFrame,
]);
export type ServerFrame = z.infer<typeof serverFrame>;

/** A frame that was read, or why it was not. `unsupported` is a well-formed frame of a type this side does not know. */
export type Decoded<T> = { frame: T } | { malformed: string } | { unsupported: string };

function decode<T>(schema: z.ZodType<T>, types: ReadonlySet<string>, text: string): Decoded<T> {
  if (text.length > MAX_FRAME_BYTES) return { malformed: `frame of over ${MAX_FRAME_BYTES} bytes` };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { malformed: "frame is not JSON" };
  }
  const type = typeof value === "object" && value !== null && "type" in value ? value.type : undefined;
  if (typeof type !== "string") return { malformed: "frame has no type" };
  if (!types.has(type)) return { unsupported: maskTokens(type).slice(0, 64) };
  const result = schema.safeParse(value);
  if (result.success) return { frame: result.data };
  // Paths and messages only: the value itself may hold a secret.
  const issues = result.error.issues.slice(0, 3).map((issue) => `${issue.path.join(".") || "frame"}: ${issue.message}`);
  return { malformed: `${type}: ${issues.join("; ")}`.slice(0, 500) };
}

const typesOf = (schemas: readonly { shape: { type: z.ZodLiteral<string> } }[]): ReadonlySet<string> =>
  new Set(schemas.map((schema) => schema.shape.type.value));

const AGENT_TYPES = typesOf(agentFrame.options);
const SERVER_TYPES = typesOf(serverFrame.options);

/** Reads a frame an agent sent. */
export function decodeAgentFrame(text: string): Decoded<AgentFrame> {
  return decode(agentFrame, AGENT_TYPES, text);
}

/** Reads a frame the operator sent. */
export function decodeServerFrame(text: string): Decoded<ServerFrame> {
  return decode(serverFrame, SERVER_TYPES, text);
}
