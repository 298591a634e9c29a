import fc from "fast-check";
import { expect, test } from "vitest";
import { ManualClock } from "#base/manual-clock.ts";
import { Refusal } from "../hub/refusal.ts";
import { plainText, saidInTime, serverSentEvents, takenInTime } from "./log-bodies.ts";
import type { LogEvent } from "./log-events.ts";

async function* these(...events: (LogEvent | Error)[]): AsyncGenerator<LogEvent> {
  for (const event of events) {
    if (event instanceof Error) throw event;
    yield event;
  }
}

const log = (text: string, next = 0): LogEvent => ({ type: "log", bytes: Buffer.from(text), next });
const stopping = (error: unknown) => new Refusal(503, "stopping", String(error));
const clock = new ManualClock();

async function all(body: AsyncIterable<Buffer>): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of body) parts.push(part);
  return Buffer.concat(parts).toString();
}

test("events have the log as their data, the byte behind it as id, and an end", async () => {
  const events = these(log("one\ntwo\n", 8), { type: "idle" }, { type: "end", next: 8, ended: true });
  expect(await all(serverSentEvents(events, clock, stopping))).toBe(
    'retry: 1000\n\nid: 8\nevent: log\ndata: one\ndata: two\ndata: \n\nid: 8\nevent: end\ndata: {"size":8,"ended":true}\n\n',
  );
});

test("the data of the events is the log, byte for byte", async () => {
  const text = fc.string({ unit: fc.constantFrom("a", " ", ":", "\n", "ü", "😀") });
  await fc.assert(
    fc.asyncProperty(fc.array(text), async (texts) => {
      const body = await all(serverSentEvents(these(...texts.map((each) => log(each))), clock, stopping));
      const data = body
        .split("\n\n")
        .map((event) => event.split("\n").filter((field) => field.startsWith("data: ")))
        .map((fields) => fields.map((field) => field.slice("data: ".length)).join("\n"));
      expect(data.join("")).toBe(texts.join(""));
    }),
  );
});

test("what goes wrong is the last event; plain text is cut off instead", async () => {
  const broken = () => these(log("a"), new Error("broken"));
  expect(await all(serverSentEvents(broken(), clock, stopping))).toContain(
    'event: error\ndata: {"error":{"code":"stopping","message":"Error: broken"}}\n\n',
  );
  await expect(all(plainText(broken()))).rejects.toThrow("broken");
});

test("a stream that has nothing to say says so every 15 s", async () => {
  const time = new ManualClock();
  async function* quiet(): AsyncGenerator<LogEvent> {
    for (let n = 0; n < 62; n++) {
      await time.sleep(500);
      yield { type: "idle" };
    }
  }
  const body = all(serverSentEvents(quiet(), time, stopping));
  await time.advance(60_000);
  expect((await body).match(/^: /gm)).toHaveLength(2);
});

/** The letters for a reader; `waits`: it does nothing for so long. */
function slowly(...letters: string[]) {
  const time = new ManualClock();
  const over = new AbortController();
  const seen = { stalled: false };
  const onStall = () => {
    seen.stalled = true;
  };
  const chunks = takenInTime(these(...letters.map((letter) => log(letter))), time, onStall, over.signal);
  const waits = async (ms: number) => {
    await time.advance(ms);
    return seen.stalled ? "given up" : "served";
  };
  return { chunks, over, waits };
}

test("a reader that takes nothing for five minutes is given up, one that is slow is not", async () => {
  const { chunks, waits } = slowly("a", "b", "c");
  await chunks.next();
  expect(await waits(299_000)).toBe("served");
  await chunks.next();
  expect([await waits(299_000), await waits(1_000)]).toEqual(["served", "given up"]);
});

test("nor does a reader keep its place who does not take the last of a log", async () => {
  const { chunks, waits } = slowly("a");
  for await (const _ of chunks);
  expect([await waits(299_000), await waits(1_000)]).toEqual(["served", "given up"]);
  const taken = slowly("a");
  for await (const _ of taken.chunks);
  taken.over.abort();
  expect(await taken.waits(300_000)).toBe("served");
});

test("who says nothing for a minute and a half while it is asked is given up, one whose words nobody takes is not", async () => {
  const time = new ManualClock();
  let silent = false;
  async function* replica(): AsyncGenerator<string> {
    yield "a";
    await time.sleep(89_000);
    yield "b";
    await time.sleep(91_000);
  }
  const words = saidInTime(replica(), time, () => {
    silent = true;
  });
  await words.next();
  await time.advance(600_000);
  const next = words.next();
  await time.advance(89_000);
  expect([(await next).value, silent]).toEqual(["b", false]);
  void words.next();
  await time.advance(89_000);
  expect(silent).toBe(false);
  await time.advance(1_000);
  expect(silent).toBe(true);
});
