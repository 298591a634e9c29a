import type { RecordFrame } from "#protocol/frames.ts";
import { Close, MAX_UNACKED_RECORDS } from "#protocol/limits.ts";
import type { WriteResult } from "./ports.ts";
import { setFacts } from "./session-facts.ts";
import { close, errorEffect, type SessionEffect, type SessionState, type Step } from "./session-state.ts";

/**
 * Records are written one after the other in the order they came, so an ack of one says the same of all before it. Their
 * numbers may leave gaps: the agent replaces an unacknowledged record by a newer one of the same subject.
 */
export function onRecord(state: SessionState, { stream, seq, record }: RecordFrame, bytes: number): Step {
  if (state.last?.stream === stream && seq <= state.last.seq) {
    const waiting = state.queue.some((queued) => queued.stream === stream && queued.seq >= seq);
    return [state, waiting ? [] : [{ type: "send", frame: { type: "ack", epoch: state.epoch, stream, seq } }]];
  }
  if (state.queue.length >= MAX_UNACKED_RECORDS) {
    const message = `more than ${MAX_UNACKED_RECORDS} records without waiting for an ack`;
    return close(state, Close.policyViolation, message, [errorEffect("unexpected", message)]);
  }
  const next = { ...state, queue: [...state.queue, { stream, seq, record, bytes }], last: { stream, seq } };
  return [next, state.queue.length === 0 ? [{ type: "write", record }] : []];
}

/** What became of the record at the head of the queue. */
export function onWritten(state: SessionState, result: WriteResult): Step {
  const [head, ...queue] = state.queue;
  if (!head) return [state, []];
  const of = { epoch: state.epoch, stream: head.stream, seq: head.seq };
  const effects: SessionEffect[] = [];
  // The window bounds records; a backlog that is written fast must not count as a flood.
  const rate = { ...state.rate, frames: state.rate.frames - 1 };
  let next: SessionState = { ...state, queue, rate };
  if (result.result === "written" || result.result === "superseded") {
    effects.push({ type: "send", frame: { type: "ack", ...of } });
  } else {
    const code = result.result === "forbidden" ? "forbidden" : result.code;
    const { message } = result;
    if (result.result === "forbidden") effects.push(errorEffect("forbidden", message));
    effects.push({
      type: "send",
      frame: { type: "rejected", ...of, code: code.slice(0, 64), message: message.slice(0, 1024) },
    });
    effects.push({ type: "log", level: "warn", message: "record rejected", fields: { code, uid: head.record.uid } });
    const count = (state.facts.rejected?.count ?? 0) + 1;
    const [told, report] = setFacts(next, { ...state.facts, rejected: { count, code, message } });
    next = told;
    effects.push(...report);
  }
  if (queue[0]) effects.push({ type: "write", record: queue[0].record });
  return [next, effects];
}
