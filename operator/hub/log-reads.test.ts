import { expect, test } from "vitest";
import { ManualClock } from "#base/manual-clock.ts";
import { LogReads } from "./log-reads.ts";
import type { SessionEvent } from "./session-state.ts";

const never = new AbortController().signal;
const subject = { kind: "run", uid: "run-1" } as const;
const piece = { offset: 3, text: "words\n", size: 9, ended: true };

function reads() {
  const clock = new ManualClock();
  const gone = new AbortController();
  const steps: SessionEvent[] = [];
  return { clock, gone, steps, reads: new LogReads("a/web-1", clock, gone.signal, (event) => steps.push(event)) };
}

test("who asked first and who asked second each get their own answer", async () => {
  const { reads: logs, steps } = reads();
  const [first, second] = [logs.read(subject, 3, never), logs.read(subject, 0, never)];
  expect(steps).toMatchObject([
    { type: "read_log", id: "1", subject, offset: 3 },
    { type: "read_log", id: "2", subject, offset: 0 },
  ]);
  logs.answered({ type: "log_missing", id: "2", message: "never began" });
  logs.answered({ type: "log_chunk", id: "1", ...piece });
  expect(await first).toEqual(piece);
  await expect(second).rejects.toMatchObject({ status: 404, code: "log_missing", message: "never began" });
  expect(steps.slice(2).map((event) => event.type)).toEqual(["log_given_up", "log_given_up"]);
});

test("an agent that does not answer within 10 s counts as away, and so does one that hangs up", async () => {
  const { reads: logs, clock, gone, steps } = reads();
  const slow = expect(logs.read(subject, 0, never)).rejects.toMatchObject({ status: 503, code: "host_offline" });
  await clock.advance(10_000);
  await slow;
  expect(steps.at(-1)).toEqual({ type: "log_given_up", id: "1" });
  const cut = expect(logs.read(subject, 0, never)).rejects.toMatchObject({ code: "host_offline" });
  gone.abort(new Error("agent connection closed"));
  await cut;
});

test("who does not want it any more waits no longer", async () => {
  const { reads: logs, steps } = reads();
  const reader = new AbortController();
  const left = expect(logs.read(subject, 0, reader.signal)).rejects.toThrow("left");
  reader.abort(new Error("left"));
  await left;
  expect(steps.at(-1)).toEqual({ type: "log_given_up", id: "1" });
});
