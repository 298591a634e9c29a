import { expect, test } from "vitest";
import { checkFile, checkLock } from "./files.ts";

test("a file of 400 lines passes, one of 401 does not", () => {
  expect(checkFile("agent/main.ts", "\n".repeat(400))).toEqual([]);
  expect(checkFile("agent/main.ts", "\n".repeat(401))).toEqual([
    "agent/main.ts has 401 lines, more than 400: it holds more than one idea; split it",
  ]);
});

test("generated types may be as long as their kind is", () => {
  expect(checkFile("crds/types/host.ts", "\n".repeat(900))).toEqual([]);
});

test("a forbidden import is found in its file", () => {
  expect(checkFile("base/clock.ts", 'import { host } from "../operator/main.ts";\n')).toEqual([
    "base/clock.ts imports operator/main.ts; base/ may import nothing of the project outside it (docs/architecture.md)",
  ]);
});

test("an address in the lock file is reported, a local link is not", () => {
  const resolved = "https://registry.example.org/left-pad.tgz";
  const packages = {
    "": {},
    "node_modules/left-pad": { resolved },
    "node_modules/here": { resolved: "packages/here" },
  };
  expect(checkLock({ packages })).toEqual([
    "package-lock.json names an address for node_modules/left-pad: run npm install with this folder's .npmrc again",
  ]);
});
