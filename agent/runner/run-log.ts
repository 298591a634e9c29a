import { closeSync, fstatSync, ftruncateSync, mkdirSync, openSync, readSync, statSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import type { LogChunk } from "#protocol/frames.ts";
import { MAX_LOG_CHUNK_BYTES, MAX_LOG_TAIL_BYTES } from "#protocol/limits.ts";
import { tail } from "#protocol/text.ts";
import { followLines } from "./follow.ts";

/** What a run's log may hold on disk; what comes after is left out and said so. */
const MAX_LOG_BYTES = 64 * 1024 * 1024;

export type LogSource = "agent" | "stdout" | "stderr";

/**
 * The log of one run: lines `<time> <source> <text>`, appended only, so that a reader resumes at a byte offset. All that
 * enters it is redacted and harmless already when it stands on disk.
 */
export interface RunLog {
  add(source: LogSource, text: string, now: number): void;
  /**
   * A step's output is read from its beginning again after a restart of the agent: the next `lines` of each source are
   * in the log already and not added again.
   */
  resume(step: string): void;
  /** Marks the beginning of a step, by which `resume` finds it. */
  beginStep(step: string, now: number): void;
  /** The end of the log for a resource. */
  tail(): string;
  /** Says how much was left out, if anything was, and lets go of the file. */
  close(now: number): void;
}

/** `redact` makes a text fit to be read by anybody: without secrets, and harmless. */
export function openRunLog(path: string, redact: (text: string) => string, limit = MAX_LOG_BYTES): RunLog {
  let file: number | undefined;
  let size = 0;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    file = openSync(path, "a+", 0o600);
    size = endOfWholeLines(file);
  } catch {
    // A full or read-only disk costs the run its log, never its result; the tail is kept in memory.
  }
  let full = false;
  let leftOut = 0;
  let recent = lastBytes(path, size);
  const skip = { agent: 0, stdout: 0, stderr: 0 };

  /** False where the disk does not take it, and then nothing of it is there. */
  function write(text: string): boolean {
    if (file === undefined) return false;
    const bytes = Buffer.from(text);
    try {
      if (writeSync(file, bytes) < bytes.length) throw new Error("no space left");
      size += bytes.length;
      return true;
    } catch {
      cutTo(file, size);
      return false;
    }
  }

  function gap(now: number): string {
    if (leftOut === 0) return "";
    const why = full ? `a log holds at most ${limit}` : "the disk did not take them";
    return `${new Date(now).toISOString()} agent [gap: ${leftOut} bytes left out, ${why}]\n`;
  }

  function add(source: LogSource, text: string, now: number): void {
    const clean = redact(text).replaceAll("\n", "\\n");
    if (skip[source] > 0) {
      skip[source]--;
      return;
    }
    const entry = `${new Date(now).toISOString()} ${source} ${clean}\n`;
    recent = (recent + entry).slice(-2 * MAX_LOG_TAIL_BYTES);
    const added = gap(now) + entry;
    full ||= size + Buffer.byteLength(added) > limit;
    if (!full && write(added)) leftOut = 0;
    else leftOut += Buffer.byteLength(entry);
  }

  return {
    add,
    resume(step) {
      let begun = false;
      const reader = followLines(path, (line) => {
        if (line.endsWith(` agent ${stepLine(step)}`)) {
          begun = true;
          skip.stdout = skip.stderr = 0;
        } else if (begun && /^\S+ stdout /.test(line)) skip.stdout++;
        else if (begun && /^\S+ stderr /.test(line)) skip.stderr++;
      });
      reader.end();
      reader.close();
    },
    beginStep: (step, now) => add("agent", stepLine(step), now),
    tail: () => tail(recent.replace(/^\S+ (?=(agent|stdout|stderr) )/gm, ""), MAX_LOG_TAIL_BYTES),
    close(now) {
      write(gap(now));
      if (file !== undefined) closeSync(file);
      file = undefined;
    },
  };
}

const stepLine = (step: string) => `[${step}]`;

/** A crash may have left half a line: it is cut, because it will be written again in full. */
function endOfWholeLines(file: number): number {
  const { size } = fstatSync(file);
  const chunk = Buffer.alloc(Math.min(size, 128 * 1024));
  readSync(file, chunk, 0, chunk.length, size - chunk.length);
  const end = size - chunk.length + chunk.lastIndexOf(0x0a) + 1;
  if (end < size) ftruncateSync(file, end);
  return end;
}

function cutTo(file: number, size: number): void {
  try {
    ftruncateSync(file, size);
  } catch {
    // The half of a line stays until the log is opened again.
  }
}

function lastBytes(path: string, size: number): string {
  const part = readRunLog(path, Math.max(0, size - 2 * MAX_LOG_TAIL_BYTES), 2 * MAX_LOG_TAIL_BYTES);
  return part?.data.toString("utf8") ?? "";
}

/**
 * The log at `path` from `offset`, fit for one frame; undefined where there is none. `closed`: nothing more is written to
 * it. Before that half a line is not shown: a crash would have it cut and written anew.
 */
export function readLogChunk(path: string, offset: number, closed: boolean): LogChunk | undefined {
  // A character has at most four bytes.
  const begin = Math.max(0, offset - 3);
  const part = readRunLog(path, begin, MAX_LOG_CHUNK_BYTES);
  if (part === undefined) return undefined;
  const { data, size } = part;
  if (offset > size) return { offset, next: offset, text: "", size, ended: closed };
  const asked = offset - begin;
  let from = asked;
  while (from > 0 && ((data[from] ?? 0) & 0xc0) === 0x80) from--;
  const ended = closed && begin + data.length >= size;
  const lines = data.lastIndexOf(0x0a) + 1;
  const longLine = data.length === MAX_LOG_CHUNK_BYTES;
  const to = ended ? data.length : lines > asked || !longLine ? Math.max(asked, lines) : endOfWholeCharacters(data);
  return { offset: begin + from, next: begin + to, text: data.toString("utf8", from, to), size, ended };
}

function endOfWholeCharacters(data: Buffer): number {
  for (let length = 1; length <= Math.min(4, data.length); length++) {
    const byte = data[data.length - length]!;
    if ((byte & 0xc0) === 0x80) continue;
    const whole = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return whole > length ? data.length - length : data.length;
  }
  return data.length;
}

/** At most `limit` bytes of the log at `path` from `offset`, and its size now; undefined where there is none. */
function readRunLog(path: string, offset: number, limit: number): { data: Buffer; size: number } | undefined {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch {
    return undefined;
  }
  try {
    const data = Buffer.alloc(limit);
    const length = readSync(file, data, 0, limit, offset);
    return { data: data.subarray(0, length), size: statSync(path).size };
  } finally {
    closeSync(file);
  }
}
