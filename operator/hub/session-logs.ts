import type { LogSubject } from "#protocol/frames.ts";
import { harmless } from "#protocol/text.ts";
import type { LogAnswer, SessionState, Step } from "./session-state.ts";

/** What nobody asked for counts as so many frames: each may be of a piece's size, and an honest agent sends none. */
const UNASKED_FRAMES = 10;

/** Somebody wants to read a log; that one does so at a time is for who asks to see to. */
export function onReadLog(state: SessionState, id: string, subject: LogSubject, offset: number): Step {
  if (state.phase !== "live") return [state, []];
  return [
    { ...state, reading: id },
    [{ type: "send", frame: { type: "read_log", epoch: state.epoch, id, subject, offset } }],
  ];
}

/** What was asked for is not counted against the frames an agent may send: its readers are as fast as they like. */
export function onLogAnswer(state: SessionState, answer: LogAnswer): Step {
  const { reading, ...rest } = state;
  if (reading !== answer.id) {
    const frames = state.rate.frames + UNASKED_FRAMES - 1;
    return [{ ...state, rate: { ...state.rate, frames } }, [{ type: "count", frame: "unasked" }]];
  }
  const rate = { ...state.rate, frames: state.rate.frames - 1 };
  const shown = answer.type === "log_chunk" ? { ...answer, text: harmless(answer.text) } : answer;
  return [{ ...rest, rate }, [{ type: "log_read", answer: shown }]];
}
