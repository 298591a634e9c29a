import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { Reason } from "#protocol/outcome.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const page = readFileSync(`${root}docs/errors.md`, "utf8");
/** The first column of the tables; a row may explain several. */
const explained = new Set([...page.matchAll(/^\| ([A-Z][A-Za-z, ]+?) \|/gm)].flatMap((row) => row[1]!.split(", ")));
const sources = globSync("{operator,agent}/**/*.ts", { cwd: root })
  .filter((file) => !file.endsWith(".test.ts"))
  .map((file) => readFileSync(`${root}${file}`, "utf8"))
  .join("\n");

test("docs/errors.md explains every reason of a run, a restore or a repository", () => {
  expect(Object.values(Reason).filter((reason) => !explained.has(reason))).toEqual([]);
});

test("docs/errors.md explains no reason that nothing gives any more", () => {
  expect([...explained].filter((reason) => !sources.includes(`"${reason}"`))).toEqual([]);
});
