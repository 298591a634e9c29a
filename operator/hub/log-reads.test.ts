import { expect, test } from "vitest";
import { ManualClock } from "#base/manual-clock.ts";
import { LogReads } from "./log-reads.ts";
import type { SessionEvent } from "./session-state.ts";

const never = new AbortController().signal;
const subject = { kind: "run", uid: "run-1" } as const;
const piece = { offset: 3, next: 9, text: "words\n", size: 9, ended: true };
const asks = (id: string, offset: number) => ({ type: "read_log", id, subject, offset });

function reads() {
  const clock = new ManualClock();
  const gone = new AbortController();
  const steps: SessionEvent[] = [];
  return { clock, gone, steps, reads: new LogReads("a/web-1", clock, gone.signal, (event) => steps.push(event)) };
}

test("who asks second is asked for when who asked first has an answer, and each gets its own", async () => {
  const { reads: logs, steps } = reads();
  const [first, second] = [logs.read(subject, 3, never), logs.read(subject, 0, never)];
  expect(steps).toEqual([asks("1", 3)]);
  logs.answered({ type: "log_chunk", id: "1", ...piece });
  expect(steps).toEqual([asks("1", 3), asks("2", 0)]);
  logs.answered({ type: "log_missing", id: "2", message: "never began" });
  expect(await first).toEqual(piece);
  await expect(second).rejects.toMatchObject({ status: 404, code: "log_missing", message: "never began" });
});

test("an agent that takes over 30 s is slow, not away, and is asked nothing more before it has answered", async () => {
  const { reads: logs, clock, steps } = reads();
  const slow = { status: 503, code: "host_slow", message: expect.stringContaining("is connected") };
  const first = expect(logs.read(subject, 0, never)).rejects.toMatchObject(slow);
  await clock.advance(30_000);
  await first;
  const waited = expect(logs.read(subject, 1, never)).rejects.toMatchObject(slow);
  await clock.advance(30_000);
  await waited;
  const last = logs.read(subject, 2, never);
  expect(steps).toEqual([asks("1", 0)]);
  logs.answered({ type: "log_chunk", id: "1", ...piece, text: "late" });
  expect(steps).toEqual([asks("1", 0), asks("2", 2)]);
  logs.answered({ type: "log_chunk", id: "2", ...piece });
  expect(await last).toEqual(piece);
});

test("who has waited for its turn has 30 s for its piece", async () => {
  const { reads: logs, clock } = reads();
  const first = logs.read(subject, 0, never);
  const second = logs.read(subject, 0, never);
  await clock.advance(29_000);
  logs.answered({ type: "log_chunk", id: "1", ...piece });
  await clock.advance(29_000);
  logs.answered({ type: "log_chunk", id: "2", ...piece });
  expect(await Promise.all([first, second])).toEqual([piece, piece]);
});

test("when the agent hangs up, all who wait are told that it is away", async () => {
  const { reads: logs, gone } = reads();
  const cut = [0, 1].map((offset) =>
    expect(logs.read(subject, offset, never)).rejects.toMatchObject({ status: 503, code: "host_offline" }),
  );
  gone.abort(new Error("agent connection closed"));
  await Promise.all(cut);
});

test("who does not want it any more waits no longer, and nothing is asked for it", async () => {
  const { reads: logs, steps } = reads();
  const reader = new AbortController();
  const left = [0, 1].map((offset) => expect(logs.read(subject, offset, reader.signal)).rejects.toThrow("left"));
  reader.abort(new Error("left"));
  await Promise.all(left);
  logs.answered({ type: "log_chunk", id: "1", ...piece });
  expect(steps).toEqual([asks("1", 0)]);
});
