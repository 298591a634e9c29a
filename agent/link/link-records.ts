import { type RecordFrame, recordFrame } from "#protocol/frames.ts";
import { MAX_FRAME_BYTES, MAX_OUTBOUND_BYTES, MAX_UNACKED_RECORDS } from "#protocol/limits.ts";
import type { SetAside } from "#protocol/outcome.ts";
import type { OutboxEntry, ProgressReport } from "./core.ts";
import { errorEffect, type FrameOf, type LinkEffect, type LinkState, type Moment, type Step } from "./link-state.ts";

/** Progress of one subject goes out at most once in this time. */
const PROGRESS_INTERVAL_MS = 1_000;
/** A socket with more than this unsent is too slow for progress. */
const PROGRESS_MAX_BUFFERED = 64 * 1024;
const PROGRESS_MEMORY_MS = 60_000;

/** Reads on in the outbox where the window, the socket and the session allow it. */
export function fill(state: LinkState): Step {
  const limit = MAX_UNACKED_RECORDS - state.outbox.unacked.length;
  const open = state.session && state.session.retryAfterMs === undefined && state.buffered <= MAX_OUTBOUND_BYTES;
  if (!open || !state.outbox.more || limit <= 0) return [state, []];
  return [
    { ...state, outbox: { ...state.outbox, more: false } },
    [{ type: "read", after: state.outbox.sentUpTo, limit }],
  ];
}

/** What the outbox held at the last read. */
export function onEntries(state: LinkState, entries: readonly OutboxEntry[], limit: number): Step {
  if (!state.session) return [state, []];
  const { stream } = state.outbox;
  const effects: LinkEffect[] = [];
  const unacked = [...state.outbox.unacked];
  const progress = new Map(state.progress);
  for (const { seq, record } of entries) {
    // What was reported before its end must not arrive after it.
    progress.delete(record.uid);
    const frame: RecordFrame = { type: "record", stream, seq, record };
    const unfit = unfitness(frame);
    if (unfit !== undefined) {
      const { message } = unfit;
      effects.push({ type: "reject", stream, seq, ...unfit });
      effects.push({
        type: "log",
        level: "warn",
        message: "record set aside",
        fields: { uid: record.uid, reason: message },
      });
      continue;
    }
    effects.push({ type: "send", frame });
    unacked.push(seq);
  }
  const sentUpTo = entries.at(-1)?.seq ?? state.outbox.sentUpTo;
  const more = state.outbox.more || entries.length === limit;
  const [next, read] = fill({ ...state, progress, outbox: { stream, sentUpTo, unacked, more } });
  return [next, [...effects, ...read]];
}

/** Why the operator could not take a record: sent all the same, it would close the connection again and again. */
function unfitness(frame: RecordFrame): { code: SetAside; message: string } | undefined {
  if (Buffer.byteLength(JSON.stringify(frame)) > MAX_FRAME_BYTES) {
    return { code: "too_large", message: `the record is over ${MAX_FRAME_BYTES} bytes as a frame` };
  }
  const [issue] = recordFrame.safeParse(frame).error?.issues ?? [];
  return (
    issue && { code: "malformed", message: `the record breaks the protocol: ${issue.path.join(".")}: ${issue.message}` }
  );
}

export function onAck(state: LinkState, { stream, seq }: FrameOf<"ack">): Step {
  if (stream !== state.outbox.stream || seq > state.outbox.sentUpTo) return neverSent(state, "ack");
  const unacked = state.outbox.unacked.filter((sent) => sent > seq);
  const [next, effects] = fill({ ...state, outbox: { ...state.outbox, unacked } });
  return [next, [{ type: "ack", stream, seq }, ...effects]];
}

export function onRejected(state: LinkState, { stream, seq, code, message }: FrameOf<"rejected">): Step {
  if (stream !== state.outbox.stream || !state.outbox.unacked.includes(seq)) return neverSent(state, "rejected");
  const unacked = state.outbox.unacked.filter((sent) => sent !== seq);
  const [next, effects] = fill({ ...state, outbox: { ...state.outbox, unacked } });
  const log: LinkEffect = {
    type: "log",
    level: "warn",
    message: "operator rejects a record",
    fields: { seq, code, reason: message },
  };
  return [next, [{ type: "reject", stream, seq, code, message }, log, ...effects]];
}

/** Forgetting what was not sent would lose it: whatever the server means, it is not this outbox. */
function neverSent(state: LinkState, type: string): Step {
  return [state, [errorEffect("unexpected", `${type} of a record that was not sent in this session`)]];
}

/** Latest wins, at most one a second a subject, dropped while the socket is slow. */
export function onProgress(state: LinkState, report: ProgressReport, now: Moment): Step {
  if (!state.session || state.buffered > PROGRESS_MAX_BUFFERED) return [state, []];
  const before = state.progress.get(report.uid);
  const due = before === undefined || now.monotonic >= before.sentAt + PROGRESS_INTERVAL_MS;
  const paced = due ? { sentAt: now.monotonic } : { sentAt: before.sentAt, waiting: report };
  const next = { ...state, progress: new Map(state.progress).set(report.uid, paced) };
  return [next, due ? [{ type: "send", frame: { type: "progress", ...report } }] : []];
}

/** Sends the progress whose second is over and forgets subjects long silent. */
export function onProgressDue(state: LinkState, now: Moment): Step {
  if (state.progress.size === 0) return [state, []];
  const effects: LinkEffect[] = [];
  const progress = new Map(state.progress);
  for (const [uid, { sentAt, waiting }] of state.progress) {
    if (waiting && now.monotonic >= sentAt + PROGRESS_INTERVAL_MS) {
      progress.set(uid, { sentAt: now.monotonic });
      if (state.buffered <= PROGRESS_MAX_BUFFERED)
        effects.push({ type: "send", frame: { type: "progress", ...waiting } });
    } else if (!waiting && now.monotonic >= sentAt + PROGRESS_MEMORY_MS) progress.delete(uid);
  }
  return [{ ...state, progress }, effects];
}

/** When onProgressDue has something to send (monotonic). */
export function progressWakeAt(state: LinkState): number {
  let at = Number.POSITIVE_INFINITY;
  for (const { sentAt, waiting } of state.progress.values())
    if (waiting) at = Math.min(at, sentAt + PROGRESS_INTERVAL_MS);
  return at;
}
