import { describe, expect, test } from "vitest";
import { MAX_OUTBOUND_BYTES, MAX_UNACKED_RECORDS } from "#protocol/limits.ts";
import {
  closes,
  command,
  config,
  desired,
  hello,
  id,
  idle,
  live,
  opened,
  play,
  record,
  type Scripted,
  sends,
  written,
} from "./session-script.ts";

describe("what is desired", () => {
  const first = desired({ config: config(1, ["a"]), commands: [command("r1")] });
  test.each<[string, Scripted[], unknown[]]>([
    [
      "the configuration goes before the commands",
      [...live, ...first],
      [sends({ type: "config", epoch: 4 }), sends({ type: "run", id: "r1", epoch: 4 })],
    ],
    [
      "what was sent is not sent again",
      [...live, ...first, ...desired({ config: config(1, ["a"]), commands: [command("r1"), command("r2")] })],
      [sends({ id: "r2" })],
    ],
    [
      "what the agent holds already is not sent",
      [
        hello({ config: { id: id(1), policies: ["a"] } }),
        opened,
        { type: "desired", desired: { config: config(1, ["a"]), commands: [] } },
      ],
      [],
    ],
    [
      "a configuration that went back while another is on its way is sent",
      [
        hello({ config: { id: id(1), policies: ["a"] } }),
        opened,
        idle,
        ...desired({ config: config(2, ["a"]), commands: [] }),
        ...desired({ config: config(1, ["a"]), commands: [] }),
      ],
      [sends({ type: "config", config: expect.objectContaining({ id: id(1) }) })],
    ],
    ["no configuration means that the agent keeps what it has", [...live, ...desired({ commands: [] })], []],
    [
      "changes while it is being asked are asked for once more",
      [hello(), opened, { type: "refresh" }, { type: "refresh" }, idle],
      [{ type: "pull", held: ["a"] }],
    ],
    [
      "an applied configuration is reported",
      [...live, ...first, { type: "frame", frame: { type: "config_applied", id: id(1) } }],
      [{ type: "report", facts: expect.objectContaining({ applied: id(1) }) }],
    ],
    [
      "other policies on the agent make other tombstones: asked again",
      [
        ...live,
        ...desired({ config: config(1, ["b"], ["a"]), commands: [] }),
        { type: "frame", frame: { type: "config_applied", id: id(1) } },
      ],
      [
        { type: "report", facts: expect.anything() },
        { type: "pull", held: ["b"] },
      ],
    ],
    [
      "a refusal is reported",
      [
        ...live,
        ...first,
        { type: "frame", frame: { type: "config_refused", id: id(1), reason: "PolicyLost", message: "m" } },
      ],
      [
        {
          type: "report",
          facts: expect.objectContaining({ refused: { id: id(1), reason: "PolicyLost", message: "m" } }),
        },
      ],
    ],
    [
      "a refused configuration is not sent again",
      [
        ...live,
        ...first,
        { type: "frame", frame: { type: "config_refused", id: id(1), reason: "PolicyLost", message: "m" } },
        ...desired({ config: config(1, ["a"]), commands: [] }),
      ],
      [],
    ],
    [
      "one that the agent could not write down is sent again after a minute",
      [
        ...live,
        ...desired({ config: config(1, []), commands: [] }),
        {
          type: "frame",
          frame: { type: "config_refused", id: id(1), reason: "AgentError", message: "the disk is full" },
        },
        { type: "reported", result: "written" },
        { type: "later", ms: 60_000 },
        { type: "desired", desired: { config: config(1, []), commands: [] } },
      ],
      [sends({ type: "config" })],
    ],
    [
      "a refused configuration with other tombstones is",
      [
        ...live,
        ...first,
        { type: "frame", frame: { type: "config_refused", id: id(1), reason: "PolicyLost", message: "m" } },
        ...desired({ config: config(1, ["a"], ["x"]), commands: [] }),
      ],
      [sends({ type: "config" })],
    ],
    [
      "a configuration that was not sent cannot be applied",
      [...live, { type: "frame", frame: { type: "config_applied", id: id(9) } }],
      [sends({ code: "unexpected" })],
    ],
    [
      "a configuration over 1 MiB is reported instead of sent",
      [...live, ...desired({ config: { ...config(1, ["a"]), clusterID: "x".repeat(2 ** 20) }, commands: [] })],
      [
        {
          type: "report",
          facts: expect.objectContaining({ refused: expect.objectContaining({ reason: "ConfigTooLarge" }) }),
        },
      ],
    ],
    [
      "a command that the agent could only call malformed is answered in its stead",
      [...live, ...desired({ commands: [{ ...command("r1"), overrides: { tags: ["a,b"] } }] })],
      [
        {
          type: "answered",
          answer: { id: "r1", state: "refused", message: expect.stringMatching(/overrides.tags.0/) },
        },
      ],
    ],
    [
      "a command over 1 MiB is answered in the agent's stead",
      [...live, ...desired({ commands: [{ ...command("r1"), name: "x".repeat(2 ** 20) }] })],
      [{ type: "answered", answer: expect.objectContaining({ id: "r1", state: "refused" }) }],
    ],
    [
      "an answer to a command is passed on",
      [...live, { type: "frame", frame: { type: "command_status", id: "r1", state: "expired" } }],
      [{ type: "answered", answer: { id: "r1", state: "expired" } }],
    ],
    [
      "nothing large is added to a full socket",
      [...live, { type: "buffered", bytes: MAX_OUTBOUND_BYTES + 1 }, ...first],
      [],
    ],
    [
      "what waited goes out once the socket has drained",
      [...live, { type: "buffered", bytes: MAX_OUTBOUND_BYTES + 1 }, ...first, { type: "buffered", bytes: 0 }],
      [sends({ type: "config" }), sends({ id: "r1" })],
    ],
    [
      "an agent that does not read for 30 s is sent away",
      [...live, { type: "buffered", bytes: MAX_OUTBOUND_BYTES + 1 }, { type: "later", ms: 30_000 }],
      [closes(1013)],
    ],
    [
      "twice the outbound bound closes at once",
      [...live, { type: "buffered", bytes: 2 * MAX_OUTBOUND_BYTES + 1 }],
      [closes(1013)],
    ],
  ])("%s", (_, events, effects) => expect(play(events).effects).toEqual(effects));
});

describe("records", () => {
  const ack = (seq: number, stream = "s") => ({ type: "send", frame: { type: "ack", epoch: 4, stream, seq } });
  const write = (seq: number) => ({ type: "write", record: expect.objectContaining({ uid: `run-${seq}` }) });
  test.each<[string, Scripted[], unknown[]]>([
    ["the first is written at once", [...live, record(3)], [write(3)]],
    ["the next waits for it", [...live, record(3), record(5)], []],
    [
      "one is acknowledged when it is written, then the next is",
      [...live, record(3), record(5), written],
      [ack(3), write(5)],
    ],
    [
      "a superseded one is acknowledged as well",
      [...live, record(3), { type: "written", result: { result: "superseded" } }],
      [ack(3)],
    ],
    ["one that waits and comes again is not written twice", [...live, record(3), record(5), record(3)], []],
    ["one that is written and comes again is acknowledged again", [...live, record(3), written, record(3)], [ack(3)]],
    ["another stream begins its own numbers", [...live, record(3), written, record(1, "t")], [write(1)]],
    [
      "one refused for good is rejected, counted, and the next goes on",
      [
        ...live,
        record(3),
        record(5),
        { type: "written", result: { result: "rejected", code: "invalid", message: "m" } },
      ],
      [
        sends({ type: "rejected", seq: 3, code: "invalid" }),
        expect.objectContaining({ type: "log" }),
        { type: "report", facts: expect.objectContaining({ rejected: { count: 1, code: "invalid", message: "m" } }) },
        write(5),
      ],
    ],
    [
      "more than the window closes",
      [...live, ...Array.from({ length: MAX_UNACKED_RECORDS + 1 }, (_, n) => record(n + 1))],
      [sends({ code: "unexpected" }), closes(1008)],
    ],
    [
      "those under way are still acknowledged after goaway",
      [...live, record(3), { type: "drain", retryAfterMs: 0 }, written],
      [ack(3)],
    ],
    [
      "a backlog that is written fast is no flood",
      [...live, ...Array.from({ length: 300 }, (_, n) => [record(n + 1), written]).flat()],
      [ack(300)],
    ],
  ])("%s", (_, events, effects) => expect(play(events).effects).toEqual(effects));
});
