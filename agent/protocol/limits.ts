/** Bounds of the wire, the same on both sides (docs/architecture.md, "Bounds"). */

/** A WebSocket frame in bytes; a larger one closes the socket with 1009. */
export const MAX_FRAME_BYTES = 1024 * 1024;
/** What may wait in one socket's outbound buffer before its sender pauses. */
export const MAX_OUTBOUND_BYTES = 4 * 1024 * 1024;
/** Records sent and not yet acknowledged; the agent sends no more until the oldest is acked. */
export const MAX_UNACKED_RECORDS = 32;
/** Malformed frames of one socket before it is closed with 1008. */
export const MAX_MALFORMED_FRAMES = 3;

/** The server's wait for the upgrade request's headers, and for the hello after it. */
export const HEADERS_TIMEOUT_MS = 5_000;
export const HELLO_TIMEOUT_MS = 10_000;
/** Heartbeat and WebSocket ping, +-1/7; a peer silent for three of them is gone. */
export const HEARTBEAT_INTERVAL_MS = 30_000;
export const SILENCE_MS = 90_000;

/** What a policy and a host may hold at the most; the CRDs say the same. */
export const MAX_POLICIES = 64;
export const MAX_PATHS = 256;
export const MAX_PATTERNS = 512;
export const MAX_PATH_LENGTH = 4096;
export const MAX_TAGS = 32;
/** The redacted end of the log that goes into a resource, in bytes of UTF-8. */
export const MAX_LOG_TAIL_BYTES = 2048;
export const MAX_MESSAGE_LENGTH = 1024;
/** What one answer to read_log holds of a run's whole log, in bytes: on a slow line everything else waits behind it. */
export const MAX_LOG_CHUNK_BYTES = 16 * 1024;
/** In the hello of an agent that answers read_log. */
export const READS_LOGS = "log";
/** Snapshots one run can make: one a source. */
export const MAX_SNAPSHOTS = 16;

/** Queued and running ones that a hello names. */
export const MAX_ACTIVE = 1024;

/** How long the journal answers a repeated command with its recorded outcome. */
export const COMMAND_MEMORY_MS = 7 * 24 * 3600 * 1000;

/** Close codes of RFC 6455 and our own (4000-4999). */
export const Close = {
  normal: 1000,
  goingAway: 1001,
  policyViolation: 1008,
  tooBig: 1009,
  internalError: 1011,
  tryAgainLater: 1013,
  revoked: 4403,
  superseded: 4409,
  protocolTooOld: 4426,
} as const;

/** With Close.goingAway from an agent that is stopped on its host: nothing runs there until it is started again. */
export const AGENT_STOPS = "the agent stops";
