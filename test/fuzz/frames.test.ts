import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { enrollRequest, enrollResponse } from "#protocol/enroll.ts";
import {
  agentFrame,
  type Decoded,
  decodeAgentFrame,
  decodeServerFrame,
  type Hello,
  hello,
  serverFrame,
} from "#protocol/frames.ts";
import { MAX_FRAME_BYTES } from "#protocol/limits.ts";
import { line } from "#protocol/text.ts";
import { anyText, arbitraryOf } from "./arbitrary-of.ts";
import { anyFrameText, CANARY, nearlyValid } from "./hostile-text.ts";

const sides = [
  ["an agent", agentFrame, decodeAgentFrame],
  ["the operator", serverFrame, decodeServerFrame],
] as const;

function judge(decoded: Decoded<unknown>, schema: typeof agentFrame | typeof serverFrame): void {
  expect(Object.keys(Object.prototype)).toEqual([]);
  if ("frame" in decoded) {
    expect(schema.parse(decoded.frame)).toEqual(decoded.frame);
    expect(Object.getPrototypeOf(decoded.frame)).toBe(Object.prototype);
  } else if ("malformed" in decoded) {
    expect(decoded.malformed.length).toBeLessThanOrEqual(500);
    expect(decoded.malformed).not.toContain(CANARY);
  } else expect(decoded.unsupported.length).toBeLessThanOrEqual(64);
}

describe.each(sides)("the decoder of what %s sends", (_, schema, decode) => {
  test("takes every frame its schema can make", () => {
    fc.assert(
      fc.property(arbitraryOf(schema), (frame) => {
        expect(decode(JSON.stringify(frame))).toEqual({ frame: schema.parse(JSON.parse(JSON.stringify(frame))) });
      }),
      { numRuns: 500 },
    );
  });

  test("answers every near miss of a frame, names what is wrong and repeats no value", () => {
    fc.assert(
      fc.property(nearlyValid(arbitraryOf(schema)), (text) => judge(decode(text), schema)),
      { numRuns: 2000 },
    );
  });

  test("answers any text", () => {
    fc.assert(
      fc.property(anyFrameText, (text) => judge(decode(text), schema)),
      { numRuns: 2000 },
    );
  });

  test("bounds every string it lets pass, whatever its form", () => {
    const huge = "x".repeat(MAX_FRAME_BYTES);
    const digits = "0".repeat(100_000);
    fc.assert(
      fc.property(arbitraryOf(schema), fc.nat(), (frame, at) => {
        const text = JSON.stringify(frame);
        const times = [...text.matchAll(/"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d{3}Z"/g)];
        const time = times[at % Math.max(1, times.length)];
        if (time === undefined) return;
        expect(decode(text.replace(time[0], `"${time[1]}.${digits}Z"`))).toHaveProperty("malformed");
      }),
      { numRuns: 200 },
    );
    expect(decode(`{"type":"${huge}"}`)).toEqual({ malformed: `frame of over ${MAX_FRAME_BYTES} bytes` });
  });

  test("is not brought down by the deepest nesting a frame can hold", () => {
    const depth = MAX_FRAME_BYTES / 2 - 64;
    for (const [open, close] of [
      ["[", "]"],
      ['{"a":', "}"],
    ] as const) {
      const levels = Math.floor((depth * 2) / (open.length + close.length));
      const nested = `${open.repeat(levels)}1${close.repeat(levels)}`;
      expect(decode(nested)).toEqual({ malformed: "frame has no type" });
      expect(decode(`{"type":"error","code":${nested},"message":""}`.slice(0, MAX_FRAME_BYTES))).toHaveProperty(
        "malformed",
      );
    }
  });
});

test("words of an agent that people will read cannot act on their terminal", () => {
  fc.assert(
    fc.property(arbitraryOf(hello), anyText(64), (frame, text) => {
      const of = frame as Hello;
      const spoken = { ...of, agent: { ...of.agent, hostname: text, kernel: text, capabilities: [text] } };
      const decoded = decodeAgentFrame(JSON.stringify(spoken));
      const shown = line(text);
      expect(decoded).toMatchObject({ frame: { agent: { hostname: shown, kernel: shown, capabilities: [shown] } } });
      expect(shown).not.toMatch(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Default_Ignorable_Code_Point}]/u);
    }),
    { numRuns: 300 },
  );
});

test("an enrolment's request and answer are read or refused, never thrown at the reader", () => {
  for (const schema of [enrollRequest, enrollResponse]) {
    fc.assert(
      fc.property(nearlyValid(arbitraryOf(schema)), (text) => {
        let value: unknown;
        try {
          value = JSON.parse(text);
        } catch {
          return;
        }
        const read = schema.safeParse(value);
        if (!read.success) expect(read.error.issues.map(({ message }) => message).join()).not.toContain(CANARY);
      }),
      { numRuns: 500 },
    );
  }
});
