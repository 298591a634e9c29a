import fc from "fast-check";
import { anyText } from "./arbitrary-of.ts";

/** Stands in every value of a frame that must not be repeated to anybody. */
export const CANARY = "c4n4ry-0f-4-s3cr3t";

/** What no honest peer would put in the place of a value. */
const hostileValue: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    "null",
    "true",
    "-0",
    "1e400",
    "-1e400",
    "9007199254740993",
    `1${"0".repeat(400)}`,
    "0.1",
    "[]",
    "{}",
    '""',
    `"${CANARY}"`,
    '"__proto__"',
    '"\\ud800"',
    '"\\u0000"',
    `"${"x".repeat(5000)}"`,
    '{"__proto__":{"polluted":true}}',
    '{"constructor":{"prototype":{"polluted":true}}}',
    '{"toString":1,"valueOf":1,"toJSON":1,"then":1,"length":-1}',
    "[".repeat(2000) + "]".repeat(2000),
    `${'{"a":'.repeat(2000)}1${"}".repeat(2000)}`,
  ),
  anyText(300).map((text) => JSON.stringify(text)),
  fc.jsonValue().map((value) => JSON.stringify(value)),
);

/** Where a value stands in a JSON text, found by its own reading: after a colon, a comma or a bracket. */
const VALUE = /(?<=[:,[])(?:"(?:[^"\\]|\\.)*"|-?[\d.eE+-]+|true|false|null|\{\}|\[\])/g;

/** The texts of `values`, each with a few things wrong: another value, a member twice, one more, one less, cut, spliced. */
export function nearlyValid(values: fc.Arbitrary<unknown>): fc.Arbitrary<string> {
  const mutation = fc.record({
    kind: fc.constantFrom("replace", "twice", "add", "drop", "cut", "splice"),
    at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    value: hostileValue,
    name: fc.oneof(fc.constantFrom("__proto__", "constructor", "type", "epoch", "toString", "seq"), anyText(16)),
  });
  return fc
    .tuple(values, fc.array(mutation, { minLength: 1, maxLength: 3 }))
    .map(([value, mutations]) => mutations.reduce(mutate, JSON.stringify(value)));
}

interface Mutation {
  kind: "replace" | "twice" | "add" | "drop" | "cut" | "splice";
  at: number;
  value: string;
  name: string;
}

function mutate(text: string, { kind, at, value, name }: Mutation): string {
  const pick = <T>(list: readonly T[]): T | undefined => list[Math.floor(at * list.length)];
  const member = `${JSON.stringify(name)}:${value}`;
  switch (kind) {
    case "replace": {
      const found = pick([...text.matchAll(VALUE)]);
      return found ? text.slice(0, found.index) + value + text.slice(found.index + found[0].length) : value;
    }
    case "twice": {
      const found = pick([...text.matchAll(/"(\w+)":/g)]);
      return found ? text.replace(/\}$/, `,"${found[1]}":${value}}`) : text;
    }
    case "add":
      return text.startsWith("{") ? `{${member}${text === "{}" ? "" : ","}${text.slice(1)}` : text;
    case "drop": {
      const found = pick([...text.matchAll(/"\w+":(?:"(?:[^"\\]|\\.)*"|[\w.+-]+),?/g)]);
      return found ? text.replace(found[0], "").replace(/,\}/g, "}") : text;
    }
    case "cut":
      return text.slice(0, Math.floor(at * text.length));
    case "splice":
      return text.slice(0, Math.floor(at * text.length)) + value + text.slice(Math.floor(at * text.length));
  }
}

/** Any text at all: JSON of any shape, of no shape, and single hostile values. */
export const anyFrameText: fc.Arbitrary<string> = fc.oneof(
  anyText(200),
  fc.json(),
  hostileValue,
  hostileValue.map((value) => `{"type":${value}}`),
);
