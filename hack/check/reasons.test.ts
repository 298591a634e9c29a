import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { Reason } from "#protocol/outcome.ts";

test("docs/errors.md explains every reason, and no other", () => {
  const page = readFileSync(new URL("../../docs/errors.md", import.meta.url), "utf8");
  const rows = [...page.matchAll(/^\| ([A-Z][A-Za-z]+) \|/gm)].map((match) => match[1]);
  expect(rows.toSorted()).toEqual(Object.values(Reason).toSorted());
});
