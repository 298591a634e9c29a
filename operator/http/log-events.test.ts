import { expect, test } from "vitest";
import { ManualClock } from "#base/manual-clock.ts";
import type { LogChunk } from "#protocol/frames.ts";
import { Refusal } from "../hub/refusal.ts";
import { type LogEvent, logEvents } from "./log-events.ts";

const away = new Refusal(503, "host_offline", "away");
const missing = new Refusal(404, "log_missing", "missing");
const slow = new Refusal(503, "host_slow", "slow");
const moved = new Refusal(503, "host_moved", "moved");
const never = new AbortController().signal;

type Answer = Partial<LogChunk> | Refusal;

/** Reads from an agent that answers in this way, the last answer again and again. */
function reading(answers: Answer[], options: { offset?: number; follow?: boolean; mayBegin?: () => boolean } = {}) {
  const { offset = 0, follow = true, mayBegin = () => true } = options;
  const clock = new ManualClock();
  const asked: number[] = [];
  const read = async (from: number): Promise<LogChunk> => {
    asked.push(from);
    const answer = answers[Math.min(asked.length, answers.length) - 1]!;
    if (answer instanceof Refusal) throw answer;
    const { offset: at = from, text = "" } = answer;
    return { offset: at, next: at + Buffer.byteLength(text), text, size: 1000, ended: false, ...answer };
  };
  const said: LogEvent[] = [];
  const state: { error?: unknown; done: boolean } = { done: false };
  const source = { read, mayBegin };
  void (async () => {
    try {
      for await (const event of logEvents(source, { offset, follow, clock, signal: never })) said.push(event);
    } catch (error) {
      state.error = error;
    }
    state.done = true;
  })();
  const text = () => Buffer.concat(said.flatMap((event) => (event.type === "log" ? [event.bytes] : []))).toString();
  return { clock, asked, said, state, text };
}

test("what there is is read at once, and then again each half second until the end", async () => {
  const reader = reading([{ text: "ab" }, { text: "c" }, {}, {}, { text: "d", ended: true }]);
  await reader.clock.advance(0);
  expect(reader.asked).toEqual([0, 2, 3]);
  await reader.clock.advance(499);
  expect(reader.asked).toHaveLength(3);
  await reader.clock.advance(501);
  expect(reader.asked).toEqual([0, 2, 3, 3, 3]);
  expect(reader.text()).toBe("abcd");
  expect(reader.said.at(-1)).toEqual({ type: "end", next: 4, ended: true });
  expect(reader.state).toEqual({ done: true });
});

test("an offset inside a character gives the rest of its bytes", async () => {
  const reader = reading([{ offset: 4, text: "€uro", size: 10, ended: true }], { offset: 6 });
  await reader.clock.advance(0);
  expect(reader.said).toEqual([
    { type: "log", bytes: Buffer.from("€uro").subarray(2), next: 10 },
    { type: "end", next: 10, ended: true },
  ]);
});

test("who does not follow gets what there is and is told whether it was all", async () => {
  const reader = reading([{ text: "ab", size: 4 }, { text: "cd", size: 6 }, {}], { follow: false });
  await reader.clock.advance(0);
  expect(reader.said.at(-1)).toEqual({ type: "end", next: 4, ended: false });
  const empty = reading([{ size: 0 }], { follow: false });
  await empty.clock.advance(0);
  expect(empty.said).toEqual([{ type: "end", next: 0, ended: false }]);
});

test("a follower waits for what may yet begin, and no longer than it may", async () => {
  let pending = true;
  const reader = reading([missing, missing, { text: "a" }, missing], { mayBegin: () => pending });
  await reader.clock.advance(60_000);
  expect(reader.text()).toBe("a");
  expect(reader.state.done).toBe(false);
  pending = false;
  await reader.clock.advance(500);
  expect(reader.state.error).toBe(missing);
});

test("where a piece ends is what the agent says, whatever its text has become on the way", async () => {
  const answers = [{ next: 9, text: "\ufffd\ufffd\n" }, { next: 12 }, { text: "b", next: 13, ended: true }];
  const reader = reading(answers);
  await reader.clock.advance(500);
  expect(reader.asked).toEqual([0, 9, 12]);
  expect(reader.said.filter(({ type }) => type !== "idle")).toMatchObject([
    { next: 9 },
    { next: 12 + 1 },
    { next: 13 },
  ]);
});

test.each<[string, Partial<LogChunk>]>([
  ["too early", { offset: 46, next: 60, text: "words" }],
  ["too late", { offset: 51, next: 60, text: "words" }],
  ["that ends before it begins", { next: 49 }],
  ["that leads nowhere", { next: 50, text: "words" }],
])("a piece %s is not shown", async (_, answer) => {
  const reader = reading([answer], { offset: 50 });
  await reader.clock.advance(0);
  expect(reader.said).toEqual([]);
  const message = expect.stringMatching(/asked for the log from byte 50 on and shows bytes \d+ to \d+/);
  expect(reader.state).toMatchObject({ done: true, error: { code: "internal", message } });
});

test("an agent that has come back without the log was away no longer", async () => {
  const answers = [...Array(100).fill(away), missing, ...Array(100).fill(away), { text: "b", ended: true }];
  const reader = reading([{ text: "a" }, ...answers]);
  await reader.clock.advance(102_000);
  expect(reader.state).toEqual({ done: true });
  expect(reader.text()).toBe("ab");
});

test("a follower waits a minute and a half for an agent that goes away or is slow, each time anew", async () => {
  const reader = reading([{ text: "a" }, away, slow, { text: "b" }, away]);
  await reader.clock.advance(90_000);
  expect(reader.text()).toBe("ab");
  expect(reader.state.done).toBe(false);
  await reader.clock.advance(2_000);
  expect(reader.state.error).toBe(away);
});

test.each<[string, Answer[], { follow?: boolean; offset?: number; mayBegin?: () => boolean }, object]>([
  ["an agent that is away from the first is not waited for", [away], {}, away],
  ["nor by who does not follow", [{ text: "a" }, away], { follow: false }, away],
  ["nor one that is at another replica", [{ text: "a" }, moved], {}, moved],
  ["what ended without a log has none", [missing], { mayBegin: () => false }, missing],
  ["what has not begun has none yet for who does not follow", [missing], { follow: false }, missing],
  ["a log that is shorter than what was read of it is another", [{ size: 4 }], { offset: 5 }, { code: "log_shorter" }],
])("%s", async (_, answers, options, error) => {
  const reader = reading(answers, options);
  await reader.clock.advance(0);
  expect(reader.state).toMatchObject({ done: true, error });
});
