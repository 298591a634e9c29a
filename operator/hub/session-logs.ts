import type { LogSubject } from "#protocol/frames.ts";
import type { LogAnswer, SessionState, Step } from "./session-state.ts";

/** Somebody wants to read a log; how many may at once is for who asks to bound. */
export function onReadLog(state: SessionState, id: string, subject: LogSubject, offset: number): Step {
  if (state.phase !== "live") return [state, []];
  const reads = new Set(state.reads).add(id);
  return [
    { ...state, reads },
    [{ type: "send", frame: { type: "read_log", epoch: state.epoch, id, subject, offset } }],
  ];
}

/** What was asked for is not counted against the frames an agent may send: its readers are as fast as they like. */
export function onLogAnswer(state: SessionState, answer: LogAnswer): Step {
  if (!state.reads.has(answer.id)) return [state, [{ type: "count", frame: "unasked" }]];
  const rate = { ...state.rate, frames: state.rate.frames - 1 };
  return [{ ...state, reads: without(state.reads, answer.id), rate }, [{ type: "log_read", answer }]];
}

/** Nobody waits for this answer any more. */
export function onLogGivenUp(state: SessionState, id: string): Step {
  return [{ ...state, reads: without(state.reads, id) }, []];
}

function without(reads: SessionState["reads"], id: string): SessionState["reads"] {
  return new Set([...reads].filter((other) => other !== id));
}
