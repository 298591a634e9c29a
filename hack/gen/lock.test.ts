import { expect, test } from "vitest";
import { completeLock, type LockedPackage } from "./lock.ts";

/** What completeLock adds to a lock of a package `tool` with these optional dependencies. */
function added(optionalDependencies: Record<string, string>, locked: Record<string, LockedPackage> = {}) {
  const packages = { "": {}, "node_modules/tool": { version: "1.2.3", dev: true, optionalDependencies }, ...locked };
  const completed = completeLock({ packages }).packages;
  return Object.fromEntries(Object.entries(completed).filter(([path]) => !(path in packages)));
}

test("a binary package that npm left out is added with its version and platform", () => {
  expect(added({ "@tool/linux-arm64-musl": "1.2.3" })).toEqual({
    "node_modules/@tool/linux-arm64-musl": {
      version: "1.2.3",
      dev: true,
      optional: true,
      os: ["linux"],
      cpu: ["arm64"],
      libc: ["musl"],
    },
  });
});

test.each<[string, Record<string, string>, Record<string, LockedPackage>]>([
  [
    "one that is locked stays as it is",
    { "tool-darwin-x64": "1.2.3" },
    { "node_modules/tool-darwin-x64": { version: "1.2.3" } },
  ],
  [
    "one that is locked below its parent counts as locked",
    { "tool-darwin-x64": "1.2.3" },
    { "node_modules/tool/node_modules/tool-darwin-x64": { version: "1.2.3" } },
  ],
  ["one whose name says no platform is left to npm", { fsevents: "2.3.3" }, {}],
  ["one with a version range is left to npm", { "tool-darwin-x64": "^1.2.3" }, {}],
])("%s", (_, optionalDependencies, locked) => expect(added(optionalDependencies, locked)).toEqual({}));

test("packages stay in npm's order, so that npm does not rewrite the file", () => {
  const { packages } = completeLock({
    packages: { "": {}, "node_modules/b": { version: "1.0.0", optionalDependencies: { "a-win32-x64": "1.0.0" } } },
  });
  expect(Object.keys(packages)).toEqual(["", "node_modules/a-win32-x64", "node_modules/b"]);
});
