import { describe, expect, test } from "vitest";
import { testNamespace } from "../namespace.ts";
import { ApiServer } from "./api-server.ts";
import { corpus, readCRDs } from "./corpus.ts";
import { isRefusal, rulesOf } from "./rules.ts";

const server = new ApiServer(testNamespace());
const bad = corpus("bad").flatMap(({ entries }) => entries);
const changes = corpus("changes");

describe("what a good manifest says is taken:", () => {
  const good = corpus("good").flatMap(({ entries }) => entries);
  test.each(good)("$title", async ({ manifest }) => {
    const { status: _, ...wanted } = manifest;
    expect(await server.refusal(wanted as typeof manifest)).toEqual([]);
  });
});

describe("a bad manifest is refused in the words that stand above it:", () => {
  test.each(bad)("$title", async ({ manifest, refused }) => {
    expect(refused).not.toEqual([]);
    expect(await server.refusal(manifest)).toEqual(refused.toSorted());
  });
});

describe("of what the first document creates, the others cannot be made:", () => {
  test.each(changes)("$file", async ({ entries: [first, ...others] }) => {
    await server.create(first!.manifest);
    for (const { manifest, refused } of others) {
      expect(refused).not.toEqual([]);
      expect(await server.refusalOfChange(manifest)).toEqual(refused.toSorted());
    }
  });
});

test("every CEL rule of every kind has a manifest that it refuses", () => {
  const refused = [...bad, ...changes.flatMap(({ entries }) => entries)];
  const untried = readCRDs()
    .flatMap(rulesOf)
    .filter(
      (rule) =>
        !refused.some(({ manifest, refused }) => refused.some((cause) => isRefusal(rule, manifest.kind, cause))),
    );
  expect(untried).toEqual([]);
});

test("no rule teaches by an expression: each message says what to write, in words", () => {
  const bare = readCRDs()
    .flatMap(rulesOf)
    .filter(({ message }) => message === undefined || /\^|\.matches|\\/.test(message));
  expect(bare).toEqual([]);
});
