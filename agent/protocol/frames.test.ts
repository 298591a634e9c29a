import { describe, expect, test } from "vitest";
import { runRecord } from "./fixtures.ts";
import { decodeAgentFrame, decodeServerFrame } from "./frames.ts";
import { MAX_FRAME_BYTES } from "./limits.ts";

const text = (value: unknown) => JSON.stringify(value);

describe("what cannot be used is told from what is only newer:", () => {
  test.each([
    ["a frame that is not JSON", "{", { malformed: "frame is not JSON" }],
    ["JSON that is no object", "7", { malformed: "frame has no type" }],
    ["a frame without a type", "{}", { malformed: "frame has no type" }],
    ["a type of a newer peer", text({ type: "dance", with: "me" }), { unsupported: "dance" }],
    ["a server's frame sent by an agent", text({ type: "ack", epoch: 1, stream: "s", seq: 1 }), { unsupported: "ack" }],
    ["a frame over the bound", "x".repeat(MAX_FRAME_BYTES + 1), { malformed: "frame of over 1048576 bytes" }],
  ])("%s", (_, frame, want) => expect(decodeAgentFrame(frame)).toEqual(want));
});

test("members this version does not know are dropped", () => {
  const frame = { type: "heartbeat", wallTime: "2026-11-21T12:00:00Z" };
  expect(decodeAgentFrame(text({ ...frame, mood: "good" }))).toEqual({ frame });
});

test("the text of a log is not looked at before it is known that somebody asked for it: that takes its time", () => {
  const frame = { type: "log_chunk", id: "1", offset: 0, next: 4, text: "\u001b[2J", size: 4, ended: true };
  expect(decodeAgentFrame(text(frame))).toEqual({ frame });
});

test("a malformed frame is described by paths, never by values: a value may be a secret", () => {
  const config = {
    type: "config",
    epoch: 1,
    config: { id: "hunter2", repositories: [{ password: { value: 12345678 } }] },
  };
  const decoded = decodeServerFrame(text(config));
  expect(decoded).toHaveProperty("malformed");
  const said = JSON.stringify(decoded);
  expect(said).toContain("config.id");
  expect(said).not.toContain("hunter2");
  expect(said).not.toContain("12345678");
});

test.each([
  ["a path that is not absolute", { paths: ["srv"] }],
  ["a path with a NUL byte", { paths: ["/srv\0/etc"] }],
  ["more snapshots than a run can make", { snapshots: Array(17).fill({}) }],
  ["a log tail over 2 KiB", { logTail: "x".repeat(2049) }],
  ["an epoch of another type", { attempt: "1" }],
])("a record with %s is malformed", (_, change) => {
  const record = runRecord();
  expect(decodeAgentFrame(text({ type: "record", stream: "s", seq: 1, record }))).toHaveProperty("frame");
  const { paths, ...rest } = change as { paths?: string[] };
  const effective = paths && { effective: { configID: "0".repeat(64), repository: "r", paths } };
  const bad = { ...record, ...rest, ...effective };
  expect(decodeAgentFrame(text({ type: "record", stream: "s", seq: 1, record: bad }))).toHaveProperty("malformed");
});
