import { describe, expect, test } from "vitest";
import { step, wakeAt } from "./session.ts";
import {
  closes,
  HOST,
  heartbeat,
  hello,
  id,
  live,
  opened,
  play,
  record,
  type Scripted,
  sends,
  WALL,
} from "./session-script.ts";

describe("the handshake", () => {
  test.each<[string, Scripted[], unknown[]]>([
    [
      "a hello is given to the store with what the agent holds",
      [hello({ config: { id: id(1), policies: ["a"] } })],
      [expect.objectContaining({ type: "open", receivedAt: WALL, facts: expect.objectContaining({ applied: id(1) }) })],
    ],
    [
      "an accepted hello is answered with epoch and nonce, and what is desired is asked for",
      [hello(), opened],
      [sends({ type: "hello_ack", epoch: 4, nonce: "n", host: HOST }), { type: "pull", held: ["a"] }],
    ],
    ["no hello within 10 s closes", [{ type: "later", ms: 10_000 }], [closes(1008)]],
    [
      "a hello that the store cannot answer within 30 s is sent away to try again",
      [hello(), { type: "later", ms: 30_000 }],
      [closes(1013)],
    ],
    ["a first frame that is no hello closes", [heartbeat(0)], [sends({ code: "unexpected" }), closes(1008)]],
    [
      "a record before hello_ack is out of place and stays with the agent",
      [hello(), record(1)],
      [sends({ code: "unexpected" })],
    ],
    ["a second hello is out of place", [...live, hello()], [sends({ code: "unexpected" })]],
    ["a protocol newer than ours is told so", [hello({ protocol: 2 })], [sends({ code: "unsupported" }), closes(1008)]],
    [
      "a host that is gone is told so",
      [hello(), { type: "open_refused", refusal: { code: "host_unknown", message: "gone" } }],
      [sends({ code: "host_unknown", message: "gone" }), closes(4403)],
    ],
    [
      "a hello overtaken by a later one closes as superseded",
      [hello(), { type: "open_refused", refusal: { code: "superseded", message: "later" } }],
      [closes(4409)],
    ],
  ])("%s", (_, events, effects) => expect(play(events).effects).toEqual(effects));
});

describe("liveness", () => {
  test.each<[string, Scripted[], unknown[]]>([
    ["a ping goes out after 30 s", [...live, { type: "later", ms: 30_000 }], [{ type: "ping" }]],
    [
      "90 s without a frame is a dead peer",
      [...live, { type: "later", ms: 90_000 }],
      [closes(1001, "silent for 90 s")],
    ],
    [
      "a pong counts as life",
      [...live, { type: "later", ms: 60_000 }, { type: "heard" }, { type: "later", ms: 60_000 }],
      [{ type: "ping" }],
    ],
    [
      "an old connection is asked to leave",
      [
        ...live,
        ...Array.from({ length: 480 }, (): Scripted[] => [{ type: "later", ms: 60_000 }, { type: "heard" }])
          .flat()
          .slice(0, -1),
      ],
      [sends({ type: "goaway", retryAfterMs: 0 })],
    ],
    [
      "a drain says when to come back",
      [...live, { type: "drain", retryAfterMs: 7 }],
      [sends({ type: "goaway", retryAfterMs: 7 })],
    ],
    [
      "an agent that does not leave after goaway is closed",
      [...live, { type: "drain", retryAfterMs: 7 }, { type: "later", ms: 5_000 }],
      [closes(1001)],
    ],
    [
      "more than 200 frames in a second close",
      [...live, ...Array.from({ length: 200 }, () => heartbeat(0))],
      [closes(1008, "more than 200 frames in a second")],
    ],
    [
      "a port that fails where it must not closes with 1011",
      [...live, { type: "failed", port: "record" }],
      [closes(1011)],
    ],
  ])("%s", (_, events, effects) => expect(play(events).effects).toEqual(effects));

  test("a tick at the time it asked for always moves that time on", () => {
    const { state } = play(live);
    const at = wakeAt(state);
    const [next] = step(state, { type: "tick" }, { wall: WALL, monotonic: at });
    expect(wakeAt(next)).toBeGreaterThan(at);
  });
});

describe("ownership", () => {
  test.each<[string, Scripted[], unknown[]]>([
    [
      "a higher epoch on the Host ends the session",
      [...live, { type: "observed", seen: { uid: "uid", epoch: 5, revoked: false } }],
      [closes(4409)],
    ],
    [
      "its own epoch or an older view of the Host changes nothing",
      [...live, { type: "observed", seen: { uid: "uid", epoch: 4, revoked: false } }],
      [],
    ],
    [
      "a report that finds a newer session ends this one",
      [...live, { type: "reported", result: "superseded" }],
      [closes(4409)],
    ],
    [
      "revocation ends the session",
      [...live, { type: "observed", seen: { uid: "uid", epoch: 4, revoked: true } }],
      [sends({ code: "host_unknown" }), closes(4403)],
    ],
    [
      "revocation ends a handshake as well",
      [hello(), { type: "observed", seen: undefined }],
      [sends({ code: "host_unknown" }), closes(4403)],
    ],
    [
      "a lost connection is told with what was known",
      [...live, { type: "closed", code: 1006, reason: "" }],
      [
        {
          type: "left",
          facts: expect.objectContaining({ disconnected: { since: WALL, reason: "connection closed (1006)" } }),
        },
      ],
    ],
    [
      "the end of a superseded session is not its to tell",
      [...live, { type: "reported", result: "superseded" }, { type: "closed", code: 4409, reason: "" }],
      [],
    ],
    [
      "a connection lost while it was being accepted is told once it is accepted",
      [hello(), { type: "closed", code: 1006, reason: "" }, opened],
      [
        {
          type: "left",
          facts: expect.objectContaining({
            disconnected: { since: WALL, reason: "connection lost during the handshake" },
          }),
        },
      ],
    ],
  ])("%s", (_, events, effects) => expect(play(events).effects).toEqual(effects));
});

describe("the agent's clock", () => {
  const report = (state: string) =>
    expect.objectContaining({
      type: "report",
      facts: expect.objectContaining({ clock: expect.objectContaining({ state }) }),
    });
  const log = expect.objectContaining({ type: "log" });
  test.each<[string, Scripted[], unknown[]]>([
    ["half a minute is nothing", [...live, heartbeat(30_000)], []],
    ["over 30 s is warned of", [...live, heartbeat(31_000)], [report("warn"), log]],
    ["over 5 min is off, also when it lags", [...live, heartbeat(-301_000)], [report("off"), log]],
    [
      "a skew that trembles around the bound is told once",
      [...live, heartbeat(31_000), { type: "reported", result: "written" }, heartbeat(29_000)],
      [],
    ],
    [
      "a clock set right is told",
      [...live, heartbeat(31_000), { type: "reported", result: "written" }, heartbeat(1_000)],
      [report("in-sync")],
    ],
    [
      "a change during a report is reported after it",
      [...live, heartbeat(31_000), heartbeat(400_000), { type: "reported", result: "written" }],
      [report("off")],
    ],
  ])("%s", (_, events, effects) => expect(play(events).effects).toEqual(effects));
});
