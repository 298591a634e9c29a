import { type AgentFrame, decodeAgentFrame, type Hello } from "#protocol/frames.ts";
import {
  Close,
  HEARTBEAT_INTERVAL_MS,
  HELLO_TIMEOUT_MS,
  MAX_MALFORMED_FRAMES,
  MAX_OUTBOUND_BYTES,
  READS_LOGS,
  SILENCE_MS,
} from "#protocol/limits.ts";
import { OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION } from "#protocol/version.ts";
import type { HostIdentity, OpenedSession, OpenRefusal, SeenHost } from "./ports.ts";
import { onBuffered, onConfigApplied, onConfigRefused, onDesired, pull, retryRefused } from "./session-desired.ts";
import { onReported, onWallTime } from "./session-facts.ts";
import { onLogAnswer, onReadLog } from "./session-logs.ts";
import { onRecord, onWritten } from "./session-records.ts";
import {
  close,
  errorEffect,
  type Moment,
  type SessionEffect,
  type SessionEvent,
  type SessionState,
  type Step,
} from "./session-state.ts";

/** How long a hello may wait for the API server before the agent is sent away to try again. */
const OPEN_TIMEOUT_MS = 30_000;
/** How long an agent that was told goaway may take to leave, and results under way to be acknowledged. */
export const GOAWAY_GRACE_MS = 5_000;
/** How long an agent may leave more than MAX_OUTBOUND_BYTES unread; at twice as much it goes at once. */
const CONGESTION_MS = 30_000;
/** Frames in one second, records that were written and logs that were asked for apart: no honest agent sends as many. */
const MAX_FRAMES_PER_SECOND = 200;

/** A session of an authenticated upgrade. `lifetimeMs`: the connection's age at which it is asked to go elsewhere. */
export function newSession(host: HostIdentity, lifetimeMs: number, now: Moment): SessionState {
  return {
    phase: "hello",
    host,
    epoch: 0,
    openedAt: now.monotonic,
    heardAt: now.monotonic,
    pingAt: now.monotonic + HEARTBEAT_INTERVAL_MS,
    phaseEndsAt: now.monotonic + HELLO_TIMEOUT_MS,
    lifetimeMs,
    malformed: 0,
    rate: { since: now.monotonic, frames: 0 },
    facts: { clock: { skewMs: 0, state: "in-sync" } },
    held: [],
    config: { sent: [] },
    commands: new Set(),
    pull: "idle",
    report: "idle",
    readsLogs: false,
    queue: [],
  };
}

/** Events in, effects out, to be performed in their order; the shell (gateway.ts) owns the socket, the clock and the ports. */
export function step(state: SessionState, event: SessionEvent, now: Moment): Step {
  if (state.phase === "closed") return afterClose(state, event, now);
  switch (event.type) {
    case "message":
      return onMessage(state, event.text, now);
    case "binary":
      return onMalformed(state, "binary frame; frames are JSON text");
    case "heard":
      return heard(state, now) ?? flooded(state);
    case "buffered":
      if (event.bytes > 2 * MAX_OUTBOUND_BYTES) return tooSlow(state);
      return onBuffered(state, event.bytes > MAX_OUTBOUND_BYTES, now.monotonic);
    case "tick":
      return onTick(state, now);
    case "opened":
      return onOpened(state, event.session, now);
    case "open_refused":
      return onOpenRefused(state, event.refusal);
    case "refresh":
      return pull(state);
    case "desired":
      return onDesired(state, event.desired);
    case "written":
      return onWritten(state, event.result);
    case "reported":
      if (event.result === "written") return onReported(state);
      return disown(state, event.result);
    case "observed":
      return onObserved(state, event.seen);
    case "read_log":
      return onReadLog(state, event.id, event.subject, event.offset);
    case "drain":
      return goaway(state, event.retryAfterMs, now);
    case "failed":
      return close(state, Close.internalError, `the operator failed (${event.port}); its log says more`);
    case "closed":
      return [{ ...state, phase: "closed", queue: [] }, left(state, event, now)];
  }
}

/** When `step` wants a tick, on the monotonic clock. */
export function wakeAt(state: SessionState): number {
  if (state.phase === "closed") return Number.POSITIVE_INFINITY;
  const congestion = state.congested ? state.congested.since + CONGESTION_MS : Number.POSITIVE_INFINITY;
  const retry = state.config.retryAt ?? Number.POSITIVE_INFINITY;
  return Math.min(state.phaseEndsAt, state.pingAt, state.heardAt + SILENCE_MS, congestion, retry);
}

/** The session with one frame more, or ping or pong; undefined where these are too many. */
function heard(state: SessionState, now: Moment): Step | undefined {
  const fresh = now.monotonic - state.rate.since >= 1000;
  const rate = fresh ? { since: now.monotonic, frames: 1 } : { ...state.rate, frames: state.rate.frames + 1 };
  return rate.frames > MAX_FRAMES_PER_SECOND ? undefined : [{ ...state, heardAt: now.monotonic, rate }, []];
}

function flooded(state: SessionState): Step {
  return close(state, Close.policyViolation, `more than ${MAX_FRAMES_PER_SECOND} frames in a second`);
}

function onMessage(before: SessionState, text: string, now: Moment): Step {
  const [state] = heard(before, now) ?? [];
  if (state === undefined) return flooded(before);
  const decoded = decodeAgentFrame(text);
  if ("malformed" in decoded) return onMalformed(state, decoded.malformed);
  if ("unsupported" in decoded) {
    const message = `this operator knows no frame of type ${JSON.stringify(decoded.unsupported)}`;
    return [state, [{ type: "count", frame: "unsupported" }, errorEffect("unsupported", message)]];
  }
  const [next, effects] = onFrame(state, decoded.frame, text.length, now);
  return [next, [{ type: "count", frame: decoded.frame.type }, ...effects]];
}

function onFrame(state: SessionState, frame: AgentFrame, bytes: number, now: Moment): Step {
  if (frame.type === "error") {
    const { code, message } = frame;
    return [
      state,
      [{ type: "log", level: "warn", message: "agent reports an error", fields: { code, error: message } }],
    ];
  }
  if (state.phase === "hello") {
    if (frame.type === "hello") return onHello(state, frame, now);
    const message = `the first frame must be hello, not ${frame.type}`;
    return close(state, Close.policyViolation, message, [errorEffect("unexpected", message)]);
  }
  if (frame.type === "heartbeat") return onWallTime(state, frame.wallTime, now);
  if (frame.type === "hello" || state.phase === "opening") {
    return [
      state,
      [
        errorEffect(
          "unexpected",
          `${frame.type} is out of place here; hello comes first and once, hello_ack before the rest`,
        ),
      ],
    ];
  }
  switch (frame.type) {
    case "config_applied":
      return onConfigApplied(state, frame.id);
    case "config_refused":
      return onConfigRefused(state, frame, now.monotonic);
    case "record":
      return onRecord(state, frame, bytes);
    case "progress":
      return [state, [{ type: "progress", frame }]];
    case "command_status": {
      const { type: _, ...answer } = frame;
      return [state, [{ type: "answered", answer }]];
    }
    case "log_chunk":
    case "log_missing":
      return onLogAnswer(state, frame);
  }
}

function onMalformed(state: SessionState, why: string): Step {
  const malformed = state.malformed + 1;
  const effects: SessionEffect[] = [{ type: "count", frame: "malformed" }, errorEffect("malformed", why)];
  if (malformed < MAX_MALFORMED_FRAMES) return [{ ...state, malformed }, effects];
  return close({ ...state, malformed }, Close.policyViolation, `${malformed} malformed frames`, effects);
}

function onHello(state: SessionState, hello: Hello, now: Moment): Step {
  if (hello.protocol < OLDEST_PROTOCOL_VERSION) {
    const message = `agent protocol ${hello.protocol} is too old: this operator speaks ${OLDEST_PROTOCOL_VERSION} to ${PROTOCOL_VERSION}. Install the agent of the operator's release; its schedules go on meanwhile`;
    return close(state, Close.protocolTooOld, "protocol too old", [errorEffect("protocol_too_old", message)]);
  }
  if (hello.protocol > PROTOCOL_VERSION) {
    const message = `agent protocol ${hello.protocol} is newer than this operator's ${PROTOCOL_VERSION}: upgrade the operator`;
    return close(state, Close.policyViolation, "protocol too new", [errorEffect("unsupported", message)]);
  }
  const applied = hello.config.id === undefined ? {} : { applied: hello.config.id };
  const greeted: SessionState = {
    ...state,
    phase: "opening",
    phaseEndsAt: now.monotonic + OPEN_TIMEOUT_MS,
    facts: { ...state.facts, ...applied },
    held: hello.config.policies,
    readsLogs: hello.agent.capabilities.includes(READS_LOGS),
  };
  const [next, effects] = onWallTime(greeted, hello.wallTime, now);
  return [next, [...effects, { type: "open", hello, receivedAt: now.wall, facts: next.facts }]];
}

function onOpened(state: SessionState, opened: OpenedSession, now: Moment): Step {
  const { epoch, nonce, clusterID, configPending = false } = opened;
  const { namespace, name, uid } = state.host;
  const phaseEndsAt = Math.max(now.monotonic, state.openedAt + state.lifetimeMs);
  const [next, effects] = pull({
    ...state,
    phase: "live",
    epoch,
    phaseEndsAt,
    config: { ...state.config, pending: configPending },
  });
  const ack: SessionEffect = {
    type: "send",
    frame: {
      type: "hello_ack",
      epoch,
      serverTime: new Date(now.wall).toISOString(),
      heartbeatIntervalMs: HEARTBEAT_INTERVAL_MS,
      nonce,
      clusterID,
      host: { uid, namespace, name },
    },
  };
  return [next, [ack, ...effects]];
}

function onOpenRefused(state: SessionState, { code, message }: OpenRefusal): Step {
  if (code === "superseded") return close(state, Close.superseded, message);
  return close(state, Close.revoked, message, [errorEffect(code, message)]);
}

function onTick(state: SessionState, now: Moment): Step {
  if (now.monotonic >= state.heardAt + SILENCE_MS) {
    return close(state, Close.goingAway, `silent for ${SILENCE_MS / 1000} s`);
  }
  if (state.congested && now.monotonic >= state.congested.since + CONGESTION_MS) return tooSlow(state);
  if (now.monotonic >= state.phaseEndsAt) return onPhaseEnd(state, now);
  if (now.monotonic >= (state.config.retryAt ?? Number.POSITIVE_INFINITY)) return retryRefused(state);
  if (now.monotonic < state.pingAt) return [state, []];
  return [{ ...state, pingAt: now.monotonic + HEARTBEAT_INTERVAL_MS }, [{ type: "ping" }]];
}

function onPhaseEnd(state: SessionState, now: Moment): Step {
  switch (state.phase) {
    case "hello":
      return close(state, Close.policyViolation, `no hello within ${HELLO_TIMEOUT_MS / 1000} s`);
    case "opening":
      return close(state, Close.tryAgainLater, "the operator cannot reach its API server; try again");
    case "live":
      return goaway(state, 0, now);
    default:
      return close(state, Close.goingAway, "goaway");
  }
}

function goaway(state: SessionState, retryAfterMs: number, now: Moment): Step {
  const phaseEndsAt = now.monotonic + GOAWAY_GRACE_MS;
  return [{ ...state, phase: "leaving", phaseEndsAt }, [{ type: "send", frame: { type: "goaway", retryAfterMs } }]];
}

function tooSlow(state: SessionState): Step {
  return close(state, Close.tryAgainLater, "the agent does not read what it is sent");
}

function onObserved(state: SessionState, seen: SeenHost | undefined): Step {
  if (seen === undefined || seen.uid !== state.host.uid || seen.revoked) return disown(state, "gone");
  return state.epoch > 0 && seen.epoch > state.epoch ? disown(state, "superseded") : [state, []];
}

function disown(state: SessionState, why: "superseded" | "gone"): Step {
  const disowned = { ...state, disowned: true };
  if (why === "superseded") return close(disowned, Close.superseded, "a newer session of this host was accepted");
  const message =
    "the Host is revoked or deleted. The schedules go on, but nobody sees their results: stop this agent, or enrol the machine again";
  return close(disowned, Close.revoked, "revoked", [errorEffect("host_unknown", message)]);
}

function afterClose(state: SessionState, event: SessionEvent, now: Moment): Step {
  if (event.type === "closed") return [state, left(state, event, now)];
  // Accepted just as the socket went away: the Host says Connected, and only this session knows better.
  if (event.type === "opened") {
    const accepted = { ...state, epoch: event.session.epoch };
    return [accepted, left(accepted, { code: Close.goingAway, reason: "connection lost during the handshake" }, now)];
  }
  return [state, []];
}

function left(state: SessionState, how: { code: number; reason: string }, now: Moment): SessionEffect[] {
  if (state.epoch === 0 || state.disowned) return [];
  const reason = state.ending ?? (how.reason || `connection closed (${how.code})`);
  return [{ type: "left", facts: { ...state.facts, disconnected: { since: now.wall, reason } } }];
}
