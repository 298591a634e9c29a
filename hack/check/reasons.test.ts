import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { PHASES } from "#protocol/outcome.ts";
import { AGENT, KUBE, OPERATOR } from "../gen/errors/codes.ts";
import { CONDITIONS } from "../gen/errors/conditions.ts";
import { EVENTS } from "../gen/errors/events.ts";
import type { Explanation } from "../gen/errors/explanation.ts";
import { OUTCOMES } from "../gen/errors/outcomes.ts";
import { CLOSES, EXITS, FRAME_ERRORS, HTTP, SET_ASIDE } from "../gen/errors/wire.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
type Explained = Readonly<Record<string, Explanation>>;
const explained: Explained = { ...OUTCOMES, ...CONDITIONS, ...EVENTS };
const sources = globSync("{operator,agent}/**/*.ts", { cwd: root })
  // Lists of codes are no use of them.
  .filter((file) => !/\.test\.ts$|\/fixtures\.ts$|\/reasons\.ts$|protocol\/outcome\.ts$/.test(file))
  .map((file) => readFileSync(`${root}${file}`, "utf8"))
  .join("\n");

test("docs/errors.md explains every reason that is written anywhere, also where its type is only a text", () => {
  const written = new Set([...sources.matchAll(/\b(?:reason|refused): "([A-Z][A-Za-z]+)"/g)].map(([, word]) => word!));
  expect(written.size).toBeGreaterThan(50);
  const phases: readonly string[] = PHASES;
  expect([...written].filter((word) => !Object.hasOwn(explained, word) && !phases.includes(word))).toEqual([]);
});

describe("docs/errors.md explains nothing that nothing gives any more:", () => {
  test.each([
    ["reasons", explained],
    ["codes of the agent", AGENT],
    ["codes of the operator", OPERATOR],
    ["codes of calls to Kubernetes", KUBE],
    ["answers over HTTP", HTTP],
    ["codes of results that were set aside", SET_ASIDE],
  ])("%s", (_, codes) => {
    const used = (code: string) => sources.includes(`"${code}"`) || sources.includes(`Reason.${code}`);
    expect(Object.keys(codes).filter((code) => !used(code))).toEqual([]);
  });
});

test("every code says in whole sentences what it means and what to do, but for those where all is well", () => {
  const tables: Explained[] = [explained, AGENT, OPERATOR, KUBE, HTTP, CLOSES, FRAME_ERRORS, SET_ASIDE, EXITS];
  const rows = tables.flatMap((table) => Object.entries(table));
  const isSentence = (text: string) => text.endsWith(".");
  expect(rows.filter(([, [, meaning, cure]]) => !isSentence(meaning) || !(cure === "" || isSentence(cure)))).toEqual(
    [],
  );
  expect(rows.filter(([, [, , cure]]) => cure === "").map(([code]) => code)).toMatchInlineSnapshot(`
    [
      "Completed",
      "Cancelled",
      "Applied",
      "Connected",
      "CredentialWithdrawn",
      "InSync",
      "Opened",
      "Ready",
      "BackupRecovered",
      "BackupsOnTime",
      "Recovered",
      "RestoreCancelled",
      "RestoreSucceeded",
      "normal",
      "superseded",
      "ok",
    ]
  `);
});
