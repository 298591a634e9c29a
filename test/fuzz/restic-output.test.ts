import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { MAX_LOG_TAIL_BYTES, MAX_MESSAGE_LENGTH } from "#protocol/limits.ts";
import { progress, restoreRecord, snapshot } from "#protocol/record.ts";
import { classify } from "../../agent/runner/classify.ts";
import { followLines } from "../../agent/runner/follow.ts";
import { nothingSeen, type Observation, observe } from "../../agent/runner/observe.ts";
import { redactor } from "../../agent/runner/redact.ts";
import { openRunLog } from "../../agent/runner/run-log.ts";
import { anyText } from "./arbitrary-of.ts";
import { anyFrameText, nearlyValid } from "./hostile-text.ts";

const folder = mkdtempSync(join(tmpdir(), "holdfast-fuzz-"));
afterAll(() => rmSync(folder, { recursive: true }));

const count = fc.oneof(fc.nat(), fc.double(), fc.constantFrom(2 ** 53, 2 ** 64, -1, 0.5, Number.MAX_VALUE));
const counts = (...names: string[]) =>
  fc.record(Object.fromEntries(names.map((name) => [name, count])), { requiredKeys: [] });

/** What restic says, with numbers it could never mean. */
const message = fc.oneof(
  fc
    .tuple(
      counts(
        "total_files",
        "files_done",
        "total_bytes",
        "bytes_done",
        "error_count",
        "seconds_remaining",
        "percent_done",
      ),
      counts("files_restored", "files_skipped", "bytes_restored", "bytes_skipped"),
      fc.array(anyText()),
    )
    .map(([backup, restore, files]) => ({ message_type: "status", ...backup, ...restore, current_files: files })),
  counts(
    "files_new",
    "files_changed",
    "total_files_processed",
    "total_bytes_processed",
    "data_added",
    "files_restored",
    "files_skipped",
    "bytes_restored",
    "bytes_skipped",
  ).map((of) => ({ message_type: "summary", snapshot_id: "a".repeat(64), ...of })),
  fc.record({ message_type: fc.constant("error"), error: fc.record({ message: anyText() }), item: fc.jsonValue() }),
  fc.record({ message_type: fc.constant("exit_error"), code: count, message: anyText(500) }),
  fc.record({ message_type: fc.constant("initialized"), id: anyText() }),
);
const said = fc.oneof(
  message.map((value) => JSON.stringify(value)),
  nearlyValid(message),
  anyFrameText,
  anyText(200).map((text) => `${text} returned error, retrying after ${text}: ${text}`),
  anyText(200).map((text) => `/${text} does not exist, skipping`),
);

/** What is seen goes into frames: one that breaks their rules would have the operator close the connection. */
function expectSendable(seen: Observation): void {
  if (seen.progress !== undefined) expect(progress.safeParse(seen.progress).error).toBeUndefined();
  if (seen.restored !== undefined) {
    const restored = restoreRecord.shape.restored.safeParse({ ...seen.restored, errors: seen.failedFiles.count });
    expect(restored.error).toBeUndefined();
  }
  if (seen.summary !== undefined) {
    const { snapshotID: id = "a".repeat(64), dryRun: _, restored: __, ...rest } = seen.summary;
    expect(snapshot.safeParse({ id, source: "files", ...rest }).error).toBeUndefined();
  }
  expect(seen.errors.length).toBeLessThanOrEqual(20);
  expect(seen.failedFiles.first.length).toBeLessThanOrEqual(10);
  for (const text of [...seen.errors, ...seen.failedFiles.first]) expect(text.length).toBeLessThanOrEqual(4096);
}

test("whatever restic says, what is made of it can be sent, and its end has a reason in bounds", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom("stdout", "stderr"), said), { maxLength: 12 }),
      fc.integer({ min: -1, max: 300 }),
      (lines, exitCode) => {
        const seen = nothingSeen();
        for (const [output, text] of lines) observe(seen, output as "stdout", text, 0, (same) => same);
        expectSendable(seen);
        const { retrying } = seen;
        const { errors, failedFiles } = seen;
        const ending = { exitCode, errors, failedFiles, timeout: "24h", repositoryKnown: true };
        const verdict = classify({ ...ending, ...(retrying === undefined ? {} : { retrying: retrying.message }) });
        expect(verdict.message.length).toBeLessThanOrEqual(MAX_MESSAGE_LENGTH);
      },
    ),
    { numRuns: 1500 },
  );
});

test("any bytes, however they arrive, come out as the lines they are, cut at 64 KiB", () => {
  const path = join(folder, "bytes");
  const part = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.constantFrom("\n", "\r\n", "\0", "\n\n", "\xff\xfe", "{", "}").map((text) => Buffer.from(text, "latin1")),
    fc.nat({ max: 100_000 }).map((length) => Buffer.alloc(length, "x")),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 20 }), (parts) => {
      writeFileSync(path, "");
      const seen: string[] = [];
      const follower = followLines(path, (text) => seen.push(text));
      for (const bytes of parts) {
        appendFileSync(path, bytes);
        follower.poll();
      }
      follower.end();
      follower.close();
      const whole = Buffer.concat(parts).toString("latin1").split("\n");
      if (whole.at(-1) === "") whole.pop();
      const cut = (text: string) =>
        Buffer.from(text.slice(0, 64 * 1024), "latin1")
          .toString("utf8")
          .replace(/\r$/, "");
      expect(seen).toEqual(whole.map(cut));
    }),
    { numRuns: 150 },
  );
});

test("200 MiB without a line end cost a few MiB of memory, not 200", () => {
  const path = join(folder, "endless");
  const chunk = Buffer.alloc(8 * 1024 * 1024, '{"message_type":"status","current_files":["');
  writeFileSync(path, "");
  let lines = 0;
  const follower = followLines(path, () => lines++);
  const before = process.memoryUsage();
  let peak = 0;
  for (let written = 0; written < 200 * 1024 * 1024; written += chunk.length) {
    writeFileSync(path, chunk, { flag: "a" });
    while (follower.poll());
    const now = process.memoryUsage();
    peak = Math.max(peak, now.heapUsed + now.arrayBuffers - before.heapUsed - before.arrayBuffers);
  }
  follower.close();
  expect(lines).toBe(1);
  expect(peak).toBeLessThan(64 * 1024 * 1024);
}, 30_000);

test("a log holds whole harmless lines, whatever is written to it", () => {
  const path = join(folder, "log");
  fc.assert(
    fc.property(fc.array(fc.oneof(anyText(100), said), { minLength: 1, maxLength: 20 }), (lines) => {
      rmSync(path, { force: true });
      const log = openRunLog(path, redactor([]), 4096);
      for (const text of lines) log.add("stderr", text, 0);
      log.close(0);
      expect(Buffer.byteLength(log.tail())).toBeLessThanOrEqual(MAX_LOG_TAIL_BYTES);
      expect(statSync(path).size).toBeLessThanOrEqual(4096 + 200);
      const stands = readFileSync(path, "utf8");
      expect(stands).not.toMatch(/(?![\n\t])[\p{Cc}\p{Cs}\p{Bidi_Control}]/u);
      for (const entry of stands.slice(0, -1).split("\n")) expect(entry).toMatch(/^1970-\S+Z (stderr|agent) /);
    }),
    { numRuns: 200 },
  );
});

test("no secret gets into a log, also not one that is taken apart by characters that are not shown", () => {
  const path = join(folder, "secrets");
  const secret = fc
    .string({ minLength: 6, maxLength: 40 })
    .filter((text) => text.trim().length >= 6 && !/[*\s]/.test(text));
  fc.assert(
    fc.property(
      fc.array(secret, { minLength: 1, maxLength: 4 }),
      fc.array(anyText(20), { minLength: 5 }),
      fc.nat(),
      (secrets, around, at) => {
        rmSync(path, { force: true });
        const log = openRunLog(path, redactor(secrets));
        for (const [index, value] of secrets.entries()) {
          const half = at % value.length;
          const text = around[index] ?? "";
          log.add("stderr", text + value + text, 0);
          log.add("stderr", `${value.slice(0, half)}\u200b${value.slice(half)}`, 0);
          log.add("stderr", `${value.slice(0, half)}\u001b[31m${value.slice(half)}`, 0);
          log.add("stderr", JSON.stringify({ url: `https://u:${encodeURIComponent(value)}@h/`, value }), 0);
        }
        log.close(0);
        const stands = readFileSync(path, "utf8").replace(/^\S+ \S+ /gm, "");
        for (const value of secrets) expect(stands).not.toContain(value);
      },
    ),
    { numRuns: 300 },
  );
});
