import { expect, test } from "vitest";
import { config, desired, hello, id, idle, opened, play, type Scripted } from "./session-script.ts";

const holding = hello({ config: { id: id(1), policies: ["a"] } });
const refused: Scripted = {
  type: "frame",
  frame: { type: "config_refused", id: id(2), reason: "ConfigTooLarge", message: "too much" },
};
const reported: Scripted = { type: "reported", result: "written" };

const takenBack = [
  ...[holding, opened, idle],
  ...desired({ config: config(2, ["a"]), commands: [] }),
  ...[refused, reported],
  ...desired({ config: config(1, ["a"]), commands: [] }),
];

test("a configuration that was refused and then taken back no longer stands against the host", () => {
  const { effects } = play(takenBack);
  expect(effects).toEqual([{ type: "report", facts: { applied: id(1), clock: { skewMs: 0, state: "in-sync" } } }]);
});

test("one that was taken back and then asked for again is sent again", () => {
  const { effects } = play([...takenBack, reported, ...desired({ config: config(2, ["a"]), commands: [] })]);
  expect(effects).toMatchObject([{ type: "send", frame: { type: "config", config: { id: id(2) } } }]);
});

test("a host that counted as behind when its agent came is told once that it is not", () => {
  const late: Scripted = { type: "opened", session: { epoch: 4, nonce: "n", clusterID: "c", configPending: true } };
  const same = { config: config(1, ["a"]), commands: [] };
  const told = play([holding, late, { type: "desired", desired: same }]);
  expect(told.effects).toMatchObject([{ type: "report", facts: { applied: id(1) } }]);
  const again = play([holding, late, { type: "desired", desired: same }, reported, ...desired(same)]);
  expect(again.effects).toEqual([]);
});
