import {
  appendFileSync,
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
} from "node:fs";
import { dirname } from "node:path";
import { MAX_LOG_TAIL_BYTES } from "#protocol/limits.ts";
import { harmless, tail } from "#protocol/text.ts";

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
  /** Says how much was left out, if anything was. */
  close(now: number): void;
}

export function openRunLog(path: string, redact: (text: string) => string, limit = MAX_LOG_BYTES): RunLog {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  let size = endOfWholeLines(path);
  let leftOut = 0;
  let recent = lastBytes(path, size);
  const skip = { agent: 0, stdout: 0, stderr: 0 };

  function write(text: string): void {
    appendFileSync(path, text, { mode: 0o600 });
    size += Buffer.byteLength(text);
    recent = (recent + text).slice(-2 * MAX_LOG_TAIL_BYTES);
  }

  function add(source: LogSource, text: string, now: number): void {
    const clean = harmless(redact(text)).replaceAll("\n", "\\n");
    if (skip[source] > 0) {
      skip[source]--;
      return;
    }
    const entry = `${new Date(now).toISOString()} ${source} ${clean}\n`;
    if (size + Buffer.byteLength(entry) <= limit) write(entry);
    else {
      leftOut += Buffer.byteLength(entry);
      recent = (recent + entry).slice(-2 * MAX_LOG_TAIL_BYTES);
    }
  }

  return {
    add,
    resume(step) {
      const lines = readFileSync(path, "utf8").split("\n");
      const begin = lines.findLastIndex((line) => line.endsWith(stepLine(step)));
      for (const line of begin < 0 ? [] : lines.slice(begin)) {
        if (/^\S+ stdout /.test(line)) skip.stdout++;
        if (/^\S+ stderr /.test(line)) skip.stderr++;
      }
    },
    beginStep: (step, now) => add("agent", stepLine(step), now),
    tail: () => tail(recent.replace(/^\S+ (?=(agent|stdout|stderr) )/gm, ""), MAX_LOG_TAIL_BYTES),
    close(now) {
      if (leftOut === 0) return;
      write(`${new Date(now).toISOString()} agent [gap: ${leftOut} bytes left out, a log holds at most ${limit}]\n`);
      leftOut = 0;
    },
  };
}

const stepLine = (step: string) => `[${step}]`;

/** A crash may have left half a line: it is cut, because it will be written again in full. */
function endOfWholeLines(path: string): number {
  const file = openSync(path, "a+", 0o600);
  try {
    const size = statSync(path).size;
    const chunk = Buffer.alloc(Math.min(size, 128 * 1024));
    readSync(file, chunk, 0, chunk.length, size - chunk.length);
    const end = size - chunk.length + chunk.lastIndexOf(0x0a) + 1;
    if (end < size) ftruncateSync(file, end);
    return end;
  } finally {
    closeSync(file);
  }
}

function lastBytes(path: string, size: number): string {
  const part = readRunLog(path, Math.max(0, size - 2 * MAX_LOG_TAIL_BYTES), 2 * MAX_LOG_TAIL_BYTES);
  return part?.data.toString("utf8") ?? "";
}

/** At most `limit` bytes of the log at `path` from `offset`, and its size now; undefined where there is none. */
export function readRunLog(path: string, offset: number, limit: number): { data: Buffer; size: number } | undefined {
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
