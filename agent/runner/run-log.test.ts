import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { afterEach, beforeEach, expect, test } from "vitest";
import { MAX_LOG_CHUNK_BYTES } from "#protocol/limits.ts";
import { followLines } from "./follow.ts";
import { redactor } from "./redact.ts";
import { openRunLog, readLogChunk } from "./run-log.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(`${tmpdir()}/holdfast-log-`);
});
afterEach(() => rmSync(dir, { recursive: true }));

const same = redactor([]);
const AT = Date.UTC(2026, 0, 1);

/** What a reader gets who asks for `offset` and goes on from there until nothing is left or the log has ended. */
function readFrom(offset: number, closed: boolean): Buffer {
  const pieces: Buffer[] = [];
  for (let next = offset; ; ) {
    const chunk = readLogChunk(`${dir}/log`, next, closed)!;
    const bytes = Buffer.from(chunk.text);
    expect(bytes.length).toBeLessThanOrEqual(MAX_LOG_CHUNK_BYTES);
    const piece = bytes.subarray(next - chunk.offset);
    pieces.push(piece);
    next = chunk.next;
    if (chunk.ended || piece.length === 0) return Buffer.concat(pieces);
  }
}

test("from whatever byte a log is read, the bytes are the same, in pieces of whole characters", () => {
  const log = openRunLog(`${dir}/log`, same);
  for (let line = 0; line < 40; line++) log.add("stdout", `${line} ${"ä€😀".repeat(500)}`, AT);
  log.add("stdout", "😀".repeat(40_000), AT);
  const whole = readFileSync(`${dir}/log`);
  const offsets = [...Array(60).keys(), whole.length - 100_001, whole.length - 2, whole.length];
  for (const offset of offsets)
    expect(readFrom(offset, true).equals(whole.subarray(offset)), String(offset)).toBe(true);
});

test("lines end a piece where they can, and half a line is not shown before it is whole or the log has ended", () => {
  writeFileSync(`${dir}/log`, "one\ntwo\nhal");
  expect(readLogChunk(`${dir}/log`, 0, false)).toEqual({
    offset: 0,
    next: 8,
    text: "one\ntwo\n",
    size: 11,
    ended: false,
  });
  expect(readLogChunk(`${dir}/log`, 8, false)).toEqual({ offset: 8, next: 8, text: "", size: 11, ended: false });
  expect(readLogChunk(`${dir}/log`, 8, true)).toEqual({ offset: 8, next: 11, text: "hal", size: 11, ended: true });
  expect(readLogChunk(`${dir}/log`, 12, true)).toEqual({ offset: 12, next: 12, text: "", size: 11, ended: true });
  expect(readLogChunk(`${dir}/none`, 0, true)).toBeUndefined();
});

test("what a broken disk has made no UTF-8 of is read to its end from any byte, each once", () => {
  const line = Buffer.concat([
    Buffer.from("a€\n"),
    Buffer.alloc(5, 0x80),
    Buffer.alloc(30_000, 0xff),
    Buffer.from("€"),
  ]);
  writeFileSync(`${dir}/log`, Buffer.concat([line, line, Buffer.from([0xf0, 0x9f])]));
  const { length } = readFileSync(`${dir}/log`);
  for (let offset = 0; offset < 12; offset++) {
    let next = offset;
    for (let ended = false; !ended; ) {
      const chunk = readLogChunk(`${dir}/log`, next, true)!;
      expect(chunk.next).toBeGreaterThan(next);
      expect(chunk.offset).toBeGreaterThanOrEqual(next - 3);
      expect(chunk.offset).toBeLessThanOrEqual(next);
      ({ next, ended } = chunk);
    }
    expect(next).toBe(length);
  }
});

test("what enters a log is redacted, harmless and one line", () => {
  const log = openRunLog(`${dir}/log`, redactor(["secret"]));
  log.add("stderr", "a secret\nin two lines \u001b[31mred\u202e", AT);
  expect(readFileSync(`${dir}/log`, "utf8")).toBe("2026-01-01T00:00:00.000Z stderr a ***\\nin two lines red\n");
});

test("a log over its limit ends with the size of the gap, and its tail is still the end", () => {
  const log = openRunLog(`${dir}/log`, same, 1000);
  for (let line = 0; line < 100; line++) log.add("stdout", `line ${line}`, AT);
  log.close(AT);
  const text = readFileSync(`${dir}/log`, "utf8");
  expect(text.length).toBeLessThan(1200);
  expect(text).toMatch(/ agent \[gap: \d+ bytes left out, a log holds at most 1000\]\n$/);
  expect(log.tail()).toContain("stdout line 99");
});

test("the tail is whole lines of at most 2 KiB", () => {
  const log = openRunLog(`${dir}/log`, same);
  for (let line = 0; line < 500; line++) log.add("stderr", `ümläut number ${line}`, AT);
  const tail = log.tail();
  expect(Buffer.byteLength(tail)).toBeLessThanOrEqual(2048);
  expect(tail.split("\n")[0]).toMatch(/^stderr ümläut number \d+$/);
  expect(tail.trimEnd().endsWith("number 499")).toBe(true);
});

test("after a restart no line stands twice, half a line is written again in full, and other steps do not count", () => {
  const first = openRunLog(`${dir}/log`, same);
  first.beginStep("1/backup", AT);
  first.add("stderr", "from the first attempt", AT);
  first.beginStep("2/backup", AT);
  first.add("stderr", "one", AT);
  first.add("stdout", "out", AT);
  appendFileSync(`${dir}/log`, "2026-01-01T00:00:00.000Z stderr tw");

  const second = openRunLog(`${dir}/log`, same);
  second.add("agent", "goes on", AT);
  second.resume("2/backup");
  for (const text of ["one", "two", "three"]) second.add("stderr", text, AT);
  second.add("stdout", "out", AT);
  const lines = readFileSync(`${dir}/log`, "utf8")
    .trim()
    .split("\n")
    .map((line) => line.slice(25));
  expect(lines).toEqual([
    "agent [1/backup]",
    "stderr from the first attempt",
    "agent [2/backup]",
    "stderr one",
    "stdout out",
    "agent goes on",
    "stderr two",
    "stderr three",
  ]);
});

test("lines of a growing file are handed over whole, once, and the last one at the end", () => {
  const seen: string[] = [];
  const follower = followLines(`${dir}/out`, (text) => seen.push(text));
  follower.poll();
  writeFileSync(`${dir}/out`, "one\ntw");
  follower.poll();
  expect(seen).toEqual(["one"]);
  appendFileSync(`${dir}/out`, "o\r\n\nthree");
  follower.poll();
  expect(seen).toEqual(["one", "two", ""]);
  follower.end();
  follower.close();
  expect(seen).toEqual(["one", "two", "", "three"]);
});

test("a line without an end is cut, and what follows it is read again", () => {
  const seen: string[] = [];
  const follower = followLines(`${dir}/out`, (text) => seen.push(text));
  writeFileSync(`${dir}/out`, `${"x".repeat(1_000_000)}\nnext\n`);
  follower.end();
  follower.close();
  expect(seen.map(({ length }) => length)).toEqual([64 * 1024, 4]);
});

test("a full disk costs the log, not the run: the tail is there, and how much is missing is known", () => {
  const log = openRunLog("/dev/full", same);
  log.add("stderr", "cannot read /srv/a", AT);
  log.add("agent", "ended", AT);
  log.close(AT);
  expect(log.tail()).toBe("stderr cannot read /srv/a\nagent ended\n");
});
