import { expect, test } from "vitest";
import { harmless, line, tail } from "./text.ts";

test.each([
  ["colours and cursor movements go", "\u001b[31mred\u001b[0m\u001b[2J", "red"],
  ["a window title goes with its text", "a\u001b]0;owned\u0007b", "ab"],
  ["a bell and a backspace go", "pass\u0007wo\brd", "password"],
  ["text that runs backwards runs forwards", "invoice\u202efdp.exe", "invoicefdp.exe"],
  ["zero-width characters go", "ad\u200bmin\ufeff", "admin"],
  ["lines and tabs stay", "a\tb\nc", "a\tb\nc"],
  ["half a surrogate becomes a mark", "x\ud800y", "x\ufffdy"],
  ["halves that something stood between do not join to a character that acts", "\udb40\u200d\udc41", "\ufffd\ufffd"],
  ["other scripts stay", "größe 写真 🗄", "größe 写真 🗄"],
])("%s", (_, text, want) => expect(harmless(text)).toBe(want));

test("a line is one line, and a cut is shown", () => {
  expect(line(" a\n  b\r\nc ")).toBe("a b c");
  expect(line("abcdef", 4)).toBe("abc…");
});

test("a tail is whole lines, at most that many bytes of UTF-8", () => {
  expect(tail("one\ntwo\nthree", 9)).toBe("three");
  expect(tail("short", 9)).toBe("short");
  expect(Buffer.byteLength(tail("ü".repeat(100), 9))).toBeLessThanOrEqual(9);
  expect(tail("ü".repeat(100), 9)).toBe("üüüü");
});
