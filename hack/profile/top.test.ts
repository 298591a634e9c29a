import { expect, test } from "vitest";
import { cpuShares, heapShares } from "./top.ts";

const frame = (functionName: string, lineNumber = 0, file = "a.ts") => ({
  functionName,
  url: `file://${process.cwd()}/${file}`,
  lineNumber,
});

test("the time of a function is that of all its samples, wherever it was called from, and idleness is none", () => {
  const nodes = [
    { id: 1, callFrame: { functionName: "(idle)", url: "", lineNumber: -1 } },
    { id: 2, callFrame: frame("parse", 9) },
    { id: 3, callFrame: frame("parse", 9) },
    { id: 4, callFrame: frame("", 1) },
  ];
  expect(cpuShares({ nodes, samples: [1, 2, 3, 4, 2], timeDeltas: [9000, 1000, 1000, 500, 2000] })).toEqual([
    { where: "parse a.ts:10", self: 4 },
    { where: "(anonymous) a.ts:2", self: 0.5 },
  ]);
});

test("the bytes of a function are those it allocated itself, in all its calls", () => {
  const leaf = { callFrame: frame("keep"), selfSize: 100, children: [] };
  const call = { callFrame: frame("call", 4), selfSize: 0, children: [leaf] };
  const head = { callFrame: { functionName: "(root)", url: "", lineNumber: -1 }, selfSize: 0, children: [leaf, call] };
  expect(heapShares(head)).toEqual([{ where: "keep a.ts:1", self: 200 }]);
});
