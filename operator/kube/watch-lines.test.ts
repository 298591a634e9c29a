import { describe, expect, test } from "vitest";
import { isGone, KubeError } from "./kube-error.ts";
import { LineDecoder, parseResourceVersion, parseWatchEvent } from "./watch-lines.ts";

describe("LineDecoder", () => {
  test("lines come out the same however the bytes were cut", () => {
    const text = 'first\n\nsecond "é😀"\nthird\nrest';
    const bytes = Buffer.from(text);
    for (let size = 1; size <= bytes.length; size++) {
      const decoder = new LineDecoder();
      const lines: string[] = [];
      for (let from = 0; from < bytes.length; from += size)
        lines.push(...decoder.push(bytes.subarray(from, from + size)));
      expect(lines).toEqual(["first", 'second "é😀"', "third"]);
      expect(decoder.push(Buffer.from("\n"))).toEqual(["rest"]);
    }
  });

  test("a line longer than the bound is refused before its end has come, in one chunk or in many", () => {
    const refusal = /an event of more than 10 bytes/;
    expect(() => new LineDecoder(10).push(Buffer.from("01234567890"))).toThrow(refusal);
    const decoder = new LineDecoder(10);
    expect(decoder.push(Buffer.from("012345\n01234567"))).toEqual(["012345"]);
    expect(() => decoder.push(Buffer.from("890"))).toThrow(refusal);
  });

  test("a line of exactly the bound passes", () => {
    expect(new LineDecoder(10).push(Buffer.from("0123456789\n"))).toEqual(["0123456789"]);
  });
});

describe("parseWatchEvent", () => {
  const object = { metadata: { name: "a", resourceVersion: "12" } };

  test("an event carries its object and the resourceVersion as a number", () => {
    const event = parseWatchEvent(JSON.stringify({ type: "MODIFIED", object }));
    expect(event).toEqual({ type: "MODIFIED", object, resourceVersion: 12n });
  });

  test("a bookmark is only a resourceVersion", () => {
    const line = JSON.stringify({ type: "BOOKMARK", object: { metadata: { resourceVersion: "13" } } });
    expect(parseWatchEvent(line)).toEqual({ type: "BOOKMARK", resourceVersion: 13n });
  });

  test("an ERROR event with code 410 is Gone", () => {
    const status = { code: 410, reason: "Expired", message: "too old resource version: 1 (5)" };
    expect(isGone(caught(() => parseWatchEvent(JSON.stringify({ type: "ERROR", object: status }))))).toBe(true);
  });

  test("an ERROR event without a code counts as a failure of the server", () => {
    const error = caught(() => parseWatchEvent('{"type":"ERROR","object":null}')) as KubeError;
    expect(error.status).toBe(500);
  });

  test.each([
    ["no JSON", "{"],
    ["an unknown type", JSON.stringify({ type: "MOVED", object })],
    ["no object", '{"type":"ADDED"}'],
    ["an object without a name", '{"type":"ADDED","object":{"metadata":{"resourceVersion":"1"}}}'],
    [
      "a resourceVersion that is no number",
      '{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"x"}}}',
    ],
  ])("%s is a bad response", (_, line) => {
    expect(caught(() => parseWatchEvent(line))).toMatchObject({ code: "kube/bad-response" });
  });
});

test("resource versions beyond 2^53 are compared exactly", () => {
  expect(parseResourceVersion("9007199254740993") > parseResourceVersion("9007199254740992")).toBe(true);
});

function caught(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new KubeError(0, undefined, "nothing was thrown");
}
