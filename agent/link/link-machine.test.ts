import { describe, expect, test } from "vitest";
import { agentFacts, runRecord } from "#protocol/fixtures.ts";
import type { ServerFrame } from "#protocol/frames.ts";
import { MAX_OUTBOUND_BYTES, MAX_UNACKED_RECORDS } from "#protocol/limits.ts";
import type { OutboxEntry, ProgressReport } from "./core.ts";
import { newLink, step, wakeAt } from "./link-machine.ts";
import {
  DEFAULT_LINK_SETTINGS,
  type HelloFacts,
  type LinkEffect,
  type LinkEvent,
  type LinkState,
} from "./link-state.ts";

const HALF = 0.5;
const WALL = Date.UTC(2026, 0, 1);
const HOST = { namespace: "backups", name: "web-1", uid: "uid" };
const hello: HelloFacts = {
  hostUID: "uid",
  bootID: "b",
  agent: agentFacts(),
  highestEpoch: 3,
  config: { policies: [] },
  active: [],
};

type Scripted = LinkEvent | { type: "frame"; frame: ServerFrame } | { type: "later"; ms: number };

/** Plays events one after the other; every random number is one half. Returns the state and the last event's effects. */
function play(events: Scripted[]) {
  let now = 0;
  const moment = () => ({ wall: WALL + now, monotonic: now, chance: HALF });
  let state: LinkState = newLink(DEFAULT_LINK_SETTINGS, moment());
  let effects: LinkEffect[] = [];
  for (const event of events) {
    if (event.type === "later") now += event.ms;
    const real: LinkEvent =
      event.type === "frame"
        ? { type: "message", text: JSON.stringify(event.frame) }
        : event.type === "later"
          ? { type: "tick" }
          : event;
    [state, effects] = step(state, real, moment());
  }
  return { state, effects, waits: state.until - now };
}

const ack = (change: Partial<Extract<ServerFrame, { type: "hello_ack" }>> = {}): Scripted => ({
  type: "frame",
  frame: {
    type: "hello_ack",
    epoch: 4,
    serverTime: new Date(WALL).toISOString(),
    heartbeatIntervalMs: 30_000,
    nonce: "n",
    clusterID: "c",
    host: HOST,
    ...change,
  },
});
const connected: Scripted = { type: "connected", hello, stream: "s" };
const dialled: Scripted[] = [{ type: "later", ms: 5_000 }];
const live: Scripted[] = [...dialled, connected, ack(), { type: "entries", entries: [], limit: 32 }];
const unreachable: Scripted = { type: "unreachable", message: "nothing listens there" };
const sends = (frame: object) => ({ type: "send", frame: expect.objectContaining(frame) });
const closes = expect.objectContaining({ type: "close" });
const logs = expect.objectContaining({ type: "log" });
const read = (after: number, limit = MAX_UNACKED_RECORDS) => ({ type: "read", after, limit });

function entry(seq: number, message = ""): OutboxEntry {
  return { seq, record: runRecord({ uid: `run-${seq}`, name: `run-${seq}`, message }) };
}
const entries = (...seqs: number[]): Scripted => ({
  type: "entries",
  entries: seqs.map((seq) => entry(seq)),
  limit: MAX_UNACKED_RECORDS,
});
const acked = (seq: number, stream = "s", epoch = 4): Scripted => ({
  type: "frame",
  frame: { type: "ack", epoch, stream, seq },
});
const progress = (percent: number): Scripted => {
  const report: ProgressReport = {
    kind: "run",
    uid: "run-1",
    name: "run-1",
    attempt: 1,
    phase: "Running",
    reason: "Running",
    message: "",
    progress: { percent },
  };
  return { type: "progress", report };
};
const command = { type: "run", epoch: 4, id: "r1", name: "r1", policyUID: "a", ttlMs: 1, overrides: {} } as const;
const readLog: Scripted = {
  type: "frame",
  frame: { type: "read_log", epoch: 4, id: "1", subject: { kind: "run", uid: "r1" }, offset: 7 },
};
const logRead = { type: "read_log", id: "1", subject: { kind: "run", uid: "r1" }, offset: 7 };
const failures = (count: number): Scripted[] =>
  Array.from({ length: count }, (): Scripted[] => [{ type: "later", ms: 120_000 }, unreachable]).flat();

describe("dialling", () => {
  test.each<[string, Scripted[], number]>([
    ["the first try comes at random within 10 s", [], 5_000],
    ["the first failure doubles that", [...dialled, unreachable], 5_000],
    ["the third is spread over 40 s", failures(3), 20_000],
    ["no delay is drawn from more than 120 s", failures(20), 60_000],
    [
      "Retry-After is a floor",
      [...dialled, { type: "refused", status: 503, retryAfterMs: 45_000, message: "busy" }],
      45_000,
    ],
    ["401 waits about 10 min", [...dialled, { type: "refused", status: 401, message: "unknown" }], 600_000],
    [
      "a protocol too old for the server waits about 10 min",
      [...dialled, connected, { type: "closed", code: 4426, reason: "" }],
      600_000,
    ],
    [
      "a session that ends before 60 s does not reset the delay",
      [
        ...failures(4),
        { type: "later", ms: 120_000 },
        connected,
        ack(),
        { type: "later", ms: 59_000 },
        { type: "closed", code: 1006, reason: "" },
      ],
      60_000,
    ],
    [
      "a session of 60 s does",
      [
        ...failures(4),
        { type: "later", ms: 120_000 },
        connected,
        ack(),
        { type: "later", ms: 60_000 },
        { type: "closed", code: 1006, reason: "" },
      ],
      5_000,
    ],
    [
      "goaway says when to come back",
      [...live, { type: "frame", frame: { type: "goaway", retryAfterMs: 20_000 } }],
      20_500,
    ],
  ])("%s", (_, events, waits) => expect(play(events).waits).toBe(waits));

  test.each<[string, Scripted[], unknown[]]>([
    ["it dials when the wait is over", dialled, [{ type: "dial" }]],
    ["a dial without an answer is given up", [...dialled, { type: "later", ms: 30_000 }], [closes, logs]],
    ["an open socket says hello", [...dialled, connected], [sends({ type: "hello", protocol: 1, highestEpoch: 3 })]],
    [
      "a server that never answers the hello is given up",
      [...dialled, connected, { type: "later", ms: 45_000 }],
      [closes, logs],
    ],
    [
      "a server that is no Holdfast changes nothing",
      [...dialled, connected, { type: "message", text: `{"type":"welcome"}` }],
      [sends({ code: "unsupported" })],
    ],
    ["nothing happens after stop", [...live, { type: "stop" }, { type: "later", ms: 1e9 }], []],
  ])("%s", (_, events, effects) => expect(play(events).effects).toEqual(effects));
});

describe("hello_ack", () => {
  test.each<[string, Scripted[], unknown[]]>([
    [
      "nonce and epoch are on disk before anything else",
      [...dialled, connected, ack()],
      [{ type: "persist", change: { nonce: "n", highestEpoch: 4, host: HOST, clusterID: "c" } }, logs, read(0)],
    ],
    [
      "an epoch that was seen before is a server out of date",
      [...dialled, connected, ack({ epoch: 3 })],
      [closes, logs],
    ],
    [
      "another Host UID begins its own epochs",
      [...dialled, connected, ack({ epoch: 1, host: { ...HOST, uid: "new" } })],
      [
        expect.objectContaining({ type: "persist", change: expect.objectContaining({ highestEpoch: 1 }) }),
        logs,
        read(0),
      ],
    ],
    ["a second one is out of place", [...live, ack({ epoch: 5 })], [sends({ code: "unexpected" })]],
    [
      "a command before it is not carried out",
      [...dialled, connected, { type: "frame", frame: command }],
      [sends({ code: "unexpected" })],
    ],
  ])("%s", (_, events, effects) => expect(play(events).effects).toEqual(effects));
});

describe("a live session", () => {
  test.each<[string, Scripted[], unknown[]]>([
    [
      "a heartbeat goes out at the interval the server set",
      [...live, { type: "later", ms: 30_000 }],
      [sends({ type: "heartbeat" })],
    ],
    ["90 s of silence are a dead server", [...live, { type: "later", ms: 90_000 }], [closes, logs]],
    [
      "a ping counts as life",
      [...live, { type: "later", ms: 80_000 }, { type: "heard" }, { type: "later", ms: 10_000 }],
      [],
    ],
    [
      "a command of this epoch is carried out",
      [...live, { type: "frame", frame: command }],
      [{ type: "command", command }],
    ],
    [
      "one of an older epoch is answered and not carried out",
      [...live, { type: "frame", frame: { ...command, epoch: 3 } }],
      [sends({ type: "command_status", id: "r1", state: "stale_epoch" })],
    ],
    [
      "what became of a command is told",
      [...live, { type: "answered", id: "r1", answer: { state: "duplicate" } }],
      [sends({ type: "command_status", id: "r1", state: "duplicate" })],
    ],
    ["a log is read where the server asks for it", [...live, readLog], [logRead]],
    [
      "what was read is sent",
      [...live, { type: "log_read", id: "1", answer: { offset: 7, next: 9, text: "a\n", size: 9, ended: true } }],
      [sends({ type: "log_chunk", id: "1", offset: 7, next: 9, text: "a\n", size: 9, ended: true })],
    ],
    [
      "that there is nothing is told in one line",
      [...live, { type: "log_read", id: "1", answer: { missing: "none\nat all" } }],
      [sends({ type: "log_missing", id: "1", message: "none at all" })],
    ],
    [
      "an applied configuration is told",
      [...live, { type: "config", id: "x", result: { applied: "x" } }],
      [sends({ type: "config_applied", id: "x" })],
    ],
    [
      "a refused one is told with its reason",
      [...live, { type: "config", id: "x", result: { refused: "PolicyLost", message: "m" } }],
      [sends({ type: "config_refused", reason: "PolicyLost", message: "m" }), logs],
    ],
    [
      "an error of the server is logged and not answered",
      [...live, { type: "frame", frame: { type: "error", code: "forbidden", message: "m" } }],
      [logs],
    ],
    [
      "the third malformed frame ends the session",
      [...live, { type: "message", text: "{" }, { type: "message", text: "{" }, { type: "message", text: "{" }],
      [closes, logs],
    ],
  ])("%s", (_, events, effects) => expect(play(events).effects).toEqual(effects));

  test("a tick at the time it asked for always moves that time on", () => {
    let { state } = play(live);
    for (let n = 0; n < 5; n++) {
      const at = wakeAt(state);
      [state] = step(state, { type: "tick" }, { wall: WALL, monotonic: at, chance: 0.3 });
      expect(wakeAt(state)).toBeGreaterThan(at);
    }
  });
});

describe("the outbox", () => {
  const full = Array.from({ length: MAX_UNACKED_RECORDS }, (_, n) => n + 1);
  test.each<[string, Scripted[], unknown[]]>([
    [
      "what is read is sent in its order",
      [...live, entries(2, 5)],
      [sends({ type: "record", stream: "s", seq: 2 }), sends({ seq: 5 })],
    ],
    ["what comes new is read", [...live, { type: "recorded" }], [read(0)]],
    ["a full window reads no more", [...live, entries(...full), { type: "recorded" }], []],
    [
      "an ack frees the window and the rest is read",
      [...live, entries(...full), acked(10)],
      [{ type: "ack", stream: "s", seq: 10 }, read(MAX_UNACKED_RECORDS, 10)],
    ],
    ["an ack of what was not sent forgets nothing", [...live, entries(1), acked(2)], [sends({ code: "unexpected" })]],
    [
      "an ack of another stream forgets nothing",
      [...live, entries(1), acked(1, "old")],
      [sends({ code: "unexpected" })],
    ],
    [
      "an ack of another epoch forgets nothing",
      [...live, entries(1), acked(1, "s", 3)],
      [sends({ code: "unexpected" })],
    ],
    [
      "a rejected record is set aside",
      [
        ...live,
        entries(1, 2),
        { type: "frame", frame: { type: "rejected", epoch: 4, stream: "s", seq: 1, code: "invalid", message: "m" } },
      ],
      [{ type: "reject", stream: "s", seq: 1, code: "invalid", message: "m" }, logs],
    ],
    [
      "a record over 1 MiB is set aside and the next is sent",
      [...live, { type: "entries", entries: [entry(1, "x".repeat(2 ** 20)), entry(2)], limit: 32 }],
      [expect.objectContaining({ type: "reject", seq: 1, code: "too_large" }), logs, sends({ seq: 2 })],
    ],
    [
      "a full socket reads no more",
      [...live, { type: "buffered", bytes: MAX_OUTBOUND_BYTES + 1 }, { type: "recorded" }],
      [],
    ],
    [
      "a drained one reads on",
      [
        ...live,
        { type: "buffered", bytes: MAX_OUTBOUND_BYTES + 1 },
        { type: "recorded" },
        { type: "buffered", bytes: 0 },
      ],
      [read(0)],
    ],
    [
      "a new connection begins again with all that is not acknowledged",
      [
        ...live,
        entries(1, 2),
        { type: "closed", code: 1006, reason: "" },
        { type: "later", ms: 20_000 },
        connected,
        ack(),
      ],
      [expect.anything(), logs, read(0)],
    ],
    [
      "after goaway nothing new is read",
      [...live, entries(1), { type: "frame", frame: { type: "goaway", retryAfterMs: 0 } }, { type: "recorded" }],
      [],
    ],
    [
      "after goaway it leaves with the last ack",
      [...live, entries(1), { type: "frame", frame: { type: "goaway", retryAfterMs: 0 } }, acked(1)],
      [{ type: "ack", stream: "s", seq: 1 }, closes, logs],
    ],
  ])("%s", (_, events, effects) => expect(play(events).effects).toEqual(effects));
});

describe("progress", () => {
  const sent = (percent: number) => sends({ type: "progress", uid: "run-1", progress: { percent } });
  test.each<[string, Scripted[], unknown[]]>([
    ["the first goes out at once", [...live, progress(1)], [sent(1)]],
    ["the next within a second waits", [...live, progress(1), progress(2)], []],
    [
      "the latest goes out when the second is over",
      [...live, progress(1), progress(2), progress(3), { type: "later", ms: 1000 }],
      [sent(3)],
    ],
    ["without a session it is dropped", [progress(1)], []],
    ["a slow socket drops it", [...live, { type: "buffered", bytes: 100_000 }, progress(1)], []],
    [
      "what is older than the result never follows it",
      [...live, progress(1), progress(2), entries(1), { type: "later", ms: 1000 }],
      [],
    ],
  ])("%s", (_, events, effects) => expect(play(events).effects).toEqual(effects));
});
