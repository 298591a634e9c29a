import { expect, test } from "vitest";
import { hello, idle, live, opened, play, type Scripted, sends } from "./session-script.ts";
import type { LogAnswer, SessionEvent } from "./session-state.ts";

const subject = { kind: "run", uid: "run-1" } as const;
const read = (id: string): SessionEvent => ({ type: "read_log", id, subject, offset: 7 });
const chunk = (id: string, text = "words\n"): LogAnswer => ({
  type: "log_chunk",
  id,
  offset: 7,
  next: 13,
  text,
  size: 13,
  ended: false,
});
const missing: LogAnswer = { type: "log_missing", id: "1", message: "none" };
const says = (frame: LogAnswer): Scripted => ({ type: "frame", frame });

test.each<[string, Scripted[], unknown[]]>([
  [
    "a piece of a log is asked for with the session's epoch",
    [...live, read("1")],
    [sends({ type: "read_log", epoch: 4, id: "1", subject, offset: 7 })],
  ],
  ["before hello_ack nothing is asked", [hello(), read("1")], []],
  ["the answer is given on", [...live, read("1"), says(chunk("1"))], [{ type: "log_read", answer: chunk("1") }]],
  ["so is that there is none", [...live, read("1"), says(missing)], [{ type: "log_read", answer: missing }]],
  ["what nobody asked for is dropped", [...live, says(chunk("1"))], []],
  ["a second answer is dropped", [...live, read("1"), says(chunk("1")), says(chunk("1"))], []],
  [
    "what could act on a terminal never gets in, whatever an agent sends",
    [...live, read("1"), says(chunk("1", "a\u001b[2J\u202eb\u0007\n"))],
    [{ type: "log_read", answer: chunk("1", "ab\n") }],
  ],
])("%s", (_, events, effects) => expect(play(events).effects).toEqual(effects));

test("logs that were asked for may come as fast as they are read; others count as a flood", () => {
  const asked = Array.from({ length: 300 }, (_, n): Scripted[] => [read(`${n}`), says(chunk(`${n}`))]).flat();
  expect(play([...live, ...asked]).state.phase).toBe("live");
  const unasked = Array.from({ length: 21 }, () => says(chunk("1")));
  expect(play([...live, ...unasked.slice(1)]).state.phase).toBe("live");
  expect(play([...live, ...unasked]).state.phase).toBe("closed");
});

test("whether an agent can be asked stands in its hello", () => {
  expect(play(live).state.readsLogs).toBe(false);
  const greeting = hello();
  if (greeting.type !== "frame" || greeting.frame.type !== "hello") throw new Error("no hello");
  const agent = { ...greeting.frame.agent, capabilities: ["backup", "log"] };
  expect(play([hello({ agent }), opened, idle]).state.readsLogs).toBe(true);
});
