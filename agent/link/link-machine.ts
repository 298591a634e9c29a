import { decodeServerFrame, type ServerFrame } from "#protocol/frames.ts";
import {
  AGENT_STOPS,
  Close,
  MAX_MALFORMED_FRAMES,
  MAX_MESSAGE_LENGTH,
  MAX_OUTBOUND_BYTES,
  SILENCE_MS,
} from "#protocol/limits.ts";
import { line } from "#protocol/text.ts";
import { PROTOCOL_VERSION } from "#protocol/version.ts";
import { HEALTHY_SESSION_MS, MAX_RETRY_AFTER_MS, reconnectDelay, spread } from "./backoff.ts";
import { fill, onAck, onEntries, onProgress, onProgressDue, onRejected, progressWakeAt } from "./link-records.ts";
import {
  errorEffect,
  type FrameOf,
  type LinkEffect,
  type LinkEvent,
  type LinkSettings,
  type LinkState,
  type Moment,
  type Step,
} from "./link-state.ts";

/** DNS, TCP, TLS and the upgrade together. */
const DIAL_TIMEOUT_MS = 30_000;
/** Longer than the operator's own wait for its API server, whose answer says more than our timeout. */
const GREETING_TIMEOUT_MS = 45_000;

export function newLink(settings: LinkSettings, now: Moment): LinkState {
  return {
    phase: "waiting",
    settings,
    until: now.monotonic + now.chance * settings.firstDelayMs,
    failures: 0,
    status: { connected: false, since: now.wall, reason: "starting" },
    malformed: 0,
    buffered: 0,
    outbox: { stream: "", sentUpTo: 0, unacked: [], more: true },
    progress: new Map(),
  };
}

/** Events in, effects out, to be performed in their order; the shell (link.ts) owns the socket, the clock and the core. */
export function step(state: LinkState, event: LinkEvent, now: Moment): Step {
  if (state.phase === "stopped") return [state, []];
  switch (event.type) {
    case "tick":
      return onTick(state, now);
    case "connected":
      return onConnected(state, event, now);
    case "refused":
      return onRefused(state, event, now);
    case "unreachable":
      return lost(state, event.message, now);
    case "closed":
      return onClosed(state, event, now);
    case "heard":
      return [heard(state, now), []];
    case "binary":
      return onMalformed(heard(state, now), "binary frame; frames are JSON text", now);
    case "message":
      return onMessage(heard(state, now), event.text, now);
    case "buffered":
      if (event.bytes > 2 * MAX_OUTBOUND_BYTES) return lost(state, "the server does not read what it is sent", now);
      return fill({ ...state, buffered: event.bytes });
    case "recorded":
      return fill({ ...state, outbox: { ...state.outbox, more: true } });
    case "entries":
      return onEntries(state, event.entries, event.limit);
    case "progress":
      return onProgress(state, event.report, now);
    case "config": {
      if (!state.session) return [state, []];
      const { id, result } = event;
      if ("applied" in result) return [state, [{ type: "send", frame: { type: "config_applied", id } }]];
      const { refused: reason } = result;
      const message = line(result.message, MAX_MESSAGE_LENGTH);
      const log: LinkEffect = {
        type: "log",
        level: "warn",
        message: "configuration refused",
        fields: { id, reason, error: message },
      };
      return [state, [{ type: "send", frame: { type: "config_refused", id, reason, message } }, log]];
    }
    case "answered": {
      if (!state.session) return [state, []];
      const { state: answer, message } = event.answer;
      const said = message === undefined ? {} : { message: line(message, MAX_MESSAGE_LENGTH) };
      return [state, [{ type: "send", frame: { type: "command_status", id: event.id, state: answer, ...said } }]];
    }
    case "log_read": {
      if (!state.session) return [state, []];
      const { id, answer } = event;
      if (!("missing" in answer)) return [state, [{ type: "send", frame: { type: "log_chunk", id, ...answer } }]];
      const message = line(answer.missing, MAX_MESSAGE_LENGTH);
      return [state, [{ type: "send", frame: { type: "log_missing", id, message } }]];
    }
    case "stop":
      return [{ ...state, phase: "stopped" }, hangUp(state, Close.goingAway, AGENT_STOPS)];
  }
}

/** When `step` wants a tick, on the monotonic clock. Each deadline is the same sum there and here: a rounding apart would spin. */
export function wakeAt(state: LinkState): number {
  if (state.phase === "stopped") return Number.POSITIVE_INFINITY;
  if (!state.session) return state.until;
  return Math.min(state.session.heardAt + SILENCE_MS, state.session.heartbeatAt, progressWakeAt(state));
}

function heard(state: LinkState, now: Moment): LinkState {
  return state.session ? { ...state, session: { ...state.session, heardAt: now.monotonic } } : state;
}

function onTick(state: LinkState, now: Moment): Step {
  const { session } = state;
  if (!session) {
    if (now.monotonic < state.until) return [state, []];
    if (state.phase === "waiting") {
      return [{ ...state, phase: "dialing", until: now.monotonic + DIAL_TIMEOUT_MS }, [{ type: "dial" }]];
    }
    return lost(state, state.phase === "dialing" ? "no answer to the dial" : "no hello_ack from the server", now);
  }
  if (now.monotonic >= session.heardAt + SILENCE_MS)
    return lost(state, `server silent for ${SILENCE_MS / 1000} s`, now);
  const [next, effects] = onProgressDue(state, now);
  if (now.monotonic < session.heartbeatAt) return [next, effects];
  const heartbeatAt = now.monotonic + spread(session.heartbeatMs, now.chance);
  effects.push({ type: "send", frame: { type: "heartbeat", wallTime: new Date(now.wall).toISOString() } });
  return [{ ...next, session: { ...session, heartbeatAt } }, effects];
}

function onConnected(
  state: LinkState,
  { hello, stream }: Extract<LinkEvent, { type: "connected" }>,
  now: Moment,
): Step {
  const next: LinkState = {
    ...state,
    phase: "greeting",
    until: now.monotonic + GREETING_TIMEOUT_MS,
    greeted: { hostUID: hello.hostUID, highestEpoch: hello.highestEpoch },
    malformed: 0,
    buffered: 0,
    outbox: { stream, sentUpTo: 0, unacked: [], more: true },
    progress: new Map(),
  };
  const wallTime = new Date(now.wall).toISOString();
  return [next, [{ type: "send", frame: { type: "hello", protocol: PROTOCOL_VERSION, wallTime, ...hello } }]];
}

function onRefused(state: LinkState, event: Extract<LinkEvent, { type: "refused" }>, now: Moment): Step {
  const reason = `server answers ${event.status}: ${event.message}`;
  // The credential may be known again later (a Secret restored, a Host un-revoked): it is kept, and so are the schedules.
  if (event.status === 401 || event.status === 403) {
    return lost(state, reason, now, spread(state.settings.refusedDelayMs, now.chance));
  }
  return lost(state, reason, now, reconnectDelay(state.settings, state.failures, now.chance, event.retryAfterMs));
}

function onClosed(state: LinkState, { code, reason }: Extract<LinkEvent, { type: "closed" }>, now: Moment): Step {
  const retryAfterMs = state.session?.retryAfterMs;
  if (retryAfterMs !== undefined) return leave(state, retryAfterMs, now);
  const why = `connection closed (${code}${reason === "" ? "" : `: ${reason}`})`;
  if (code === Close.protocolTooOld) return lost(state, why, now, spread(state.settings.refusedDelayMs, now.chance));
  return lost(state, why, now);
}

function onMessage(state: LinkState, text: string, now: Moment): Step {
  const decoded = decodeServerFrame(text);
  if ("malformed" in decoded) return onMalformed(state, decoded.malformed, now);
  if ("unsupported" in decoded) {
    const message = `this agent knows no frame of type ${JSON.stringify(decoded.unsupported)}`;
    return [state, [errorEffect("unsupported", message)]];
  }
  return onFrame(state, decoded.frame, now);
}

function onMalformed(state: LinkState, why: string, now: Moment): Step {
  const malformed = state.malformed + 1;
  if (malformed >= MAX_MALFORMED_FRAMES)
    return lost(state, `${malformed} malformed frames from the server: ${why}`, now);
  return [{ ...state, malformed }, [errorEffect("malformed", why)]];
}

function onFrame(state: LinkState, frame: ServerFrame, now: Moment): Step {
  if (frame.type === "error") {
    const { code, message } = frame;
    return [
      state,
      [{ type: "log", level: "warn", message: "operator reports an error", fields: { code, error: message } }],
    ];
  }
  if (frame.type === "hello_ack") return onHelloAck(state, frame, now);
  if (frame.type === "goaway") return onGoaway(state, frame.retryAfterMs, now);
  if (!state.session) return [state, [errorEffect("unexpected", `${frame.type} before hello_ack`)]];
  if (frame.epoch !== state.session.epoch) return onOtherEpoch(state, frame, state.session.epoch);
  switch (frame.type) {
    case "config":
      return [state, [{ type: "apply", config: frame.config }]];
    case "ack":
      return leaveWhenDone(onAck(state, frame), now);
    case "rejected":
      return leaveWhenDone(onRejected(state, frame), now);
    case "read_log": {
      const { id, subject, offset } = frame;
      return [state, [{ type: "read_log", id, subject, offset }]];
    }
    default:
      return [state, [{ type: "command", command: frame }]];
  }
}

function onHelloAck(state: LinkState, ack: FrameOf<"hello_ack">, now: Moment): Step {
  const { greeted } = state;
  if (!greeted) return [state, [errorEffect("unexpected", "hello_ack without a hello")]];
  // Epochs count within one Host by UID; a Host made anew, or an operator set up anew, begins again.
  if (ack.host.uid === greeted.hostUID && ack.epoch <= greeted.highestEpoch) {
    const why = `server offers epoch ${ack.epoch}, but ${greeted.highestEpoch} was seen: it is out of date`;
    return lost(state, why, now);
  }
  const { greeted: _, ...rest } = state;
  const live: LinkState = {
    ...rest,
    phase: "live",
    status: { connected: true, since: now.wall, reason: "" },
    session: {
      epoch: ack.epoch,
      startedAt: now.monotonic,
      heardAt: now.monotonic,
      heartbeatMs: ack.heartbeatIntervalMs,
      heartbeatAt: now.monotonic + spread(ack.heartbeatIntervalMs, now.chance),
    },
  };
  const { nonce, epoch, host, clusterID } = ack;
  const [next, effects] = fill(live);
  return [
    next,
    [
      { type: "persist", change: { nonce, highestEpoch: epoch, host, clusterID } },
      { type: "log", level: "info", message: "connected", fields: { epoch, host: `${host.namespace}/${host.name}` } },
      ...effects,
    ],
  ];
}

/** A frame of another session than this one has no say here. */
function onOtherEpoch(state: LinkState, frame: Extract<ServerFrame, { epoch: number }>, epoch: number): Step {
  const message = `frame of epoch ${frame.epoch} in a session of epoch ${epoch}`;
  if ("ttlMs" in frame)
    return [state, [{ type: "send", frame: { type: "command_status", id: frame.id, state: "stale_epoch", message } }]];
  return [state, [errorEffect("unexpected", message)]];
}

function onGoaway(state: LinkState, retryAfterMs: number, now: Moment): Step {
  if (!state.session) return leave(state, retryAfterMs, now);
  return leaveWhenDone([{ ...state, session: { ...state.session, retryAfterMs } }, []], now);
}

/** After goaway: gone as soon as nothing waits for its ack. */
function leaveWhenDone([state, effects]: Step, now: Moment): Step {
  const retryAfterMs = state.session?.retryAfterMs;
  if (retryAfterMs === undefined || state.outbox.unacked.length > 0) return [state, effects];
  const [next, more] = leave(state, retryAfterMs, now);
  return [next, [...effects, ...more]];
}

/** The server chose the time at random for each agent; a second of our own keeps equal ones apart. */
function leave(state: LinkState, retryAfterMs: number, now: Moment): Step {
  const delay = Math.min(retryAfterMs, MAX_RETRY_AFTER_MS) + now.chance * Math.min(1000, state.settings.firstDelayMs);
  return lost(state, "the operator asked to connect again", now, delay);
}

/** The connection is gone or given up: everything of it is forgotten, and the next try is set. */
function lost(
  state: LinkState,
  reason: string,
  now: Moment,
  delay = reconnectDelay(state.settings, failuresAfter(state, now), now.chance),
): Step {
  const { session: _, greeted: __, ...rest } = state;
  const status = state.status.connected ? { connected: false, since: now.wall, reason } : { ...state.status, reason };
  const next: LinkState = {
    ...rest,
    phase: "waiting",
    until: now.monotonic + delay,
    failures: failuresAfter(state, now) + 1,
    status,
    progress: new Map(),
  };
  const fields = { reason, retryInMs: Math.round(delay) };
  return [
    next,
    [...hangUp(state, Close.normal, reason), { type: "log", level: "warn", message: "not connected", fields }],
  ];
}

function failuresAfter(state: LinkState, now: Moment): number {
  const healthy = state.session && now.monotonic - state.session.startedAt >= HEALTHY_SESSION_MS;
  return healthy ? 0 : state.failures;
}

function hangUp(state: LinkState, code: number, reason: string): LinkEffect[] {
  return state.phase === "waiting" ? [] : [{ type: "close", code, reason }];
}
