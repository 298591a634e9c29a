import type { Progress } from "#protocol/record.ts";
import { line } from "#protocol/text.ts";

/**
 * What one line of restic's output says. stdout and stderr both mix JSON and text (facts: A2), so each line is tried as
 * JSON and else kept as text; what is not understood is text and never an error.
 */
export type Message =
  | { type: "status"; progress: Progress; restored?: Restored }
  | { type: "summary"; summary: Summary }
  | { type: "unread"; item: string; message: string }
  | { type: "exit"; message: string }
  | { type: "retrying"; message: string }
  | { type: "recovered" }
  | { type: "initialized"; id: string }
  | { type: "text"; text: string };

/** Counts of a restore: `files` and `bytes` were written, the skipped ones were there already. */
export interface Restored {
  files: number;
  filesSkipped: number;
  bytes: number;
  bytesSkipped: number;
}

/** The last line of a backup or restore on stdout; absent members are zero (restic omits zeros). */
export interface Summary {
  snapshotID?: string;
  dryRun: boolean;
  filesNew: number;
  filesChanged: number;
  filesUnmodified: number;
  totalFiles: number;
  totalBytes: number;
  dataAddedBytes: number;
  restored: Restored;
}

export type Output = "stdout" | "stderr";

/** `text` has no line end; the caller bounds its length. */
export function parseLine(output: Output, text: string): Message {
  if (text.startsWith("{")) {
    try {
      const value: unknown = JSON.parse(text);
      if (isRecord(value)) return parseObject(output, value) ?? { type: "text", text };
    } catch {
      // Not JSON after all: restic's own text may begin with a brace.
    }
  }
  if (/ returned error, retrying after /.test(text)) return { type: "retrying", message: cause(text) };
  if (/ operation successful after \d+ retries/.test(text)) return { type: "recovered" };
  const missing = /^(\/.*) does not exist, skipping$/.exec(text);
  if (missing !== null) return { type: "unread", item: missing[1]!, message: "does not exist" };
  return { type: "text", text };
}

/** `Save(<data/..>) returned error, retrying after 1.4s: Head "http://..": dial tcp: connection refused` -> the error. */
function cause(text: string): string {
  return text.replace(/^.* returned error, retrying after [^:]*: /, "");
}

type Values = { readonly [name: string]: unknown };
const isRecord = (value: unknown): value is Values =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const count = (value: unknown): number =>
  typeof value === "number" && Number.isFinite(value) && value > 0
    ? Math.min(Math.floor(value), Number.MAX_SAFE_INTEGER)
    : 0;

/** The sum as a count of the wire: what is beyond it is no count of anything. */
export function plus(a: number, b: number): number {
  return Math.min(a + b, Number.MAX_SAFE_INTEGER);
}

function parseObject(output: Output, value: Values): Message | undefined {
  switch (value["message_type"]) {
    case "status":
      return status(value);
    case "summary":
      // Only stdout: a dump's stderr could hold a line that looks like one.
      return output === "stdout" ? { type: "summary", summary: summary(value) } : undefined;
    case "error": {
      const error = isRecord(value["error"]) ? value["error"]["message"] : value["message"];
      return { type: "unread", item: String(value["item"] ?? ""), message: typeof error === "string" ? error : "" };
    }
    case "exit_error":
      return typeof value["message"] === "string" ? { type: "exit", message: value["message"] } : undefined;
    case "initialized":
      return typeof value["id"] === "string" ? { type: "initialized", id: value["id"] } : undefined;
    default:
      return undefined;
  }
}

function status(value: Values): Message {
  const done = typeof value["percent_done"] === "number" ? value["percent_done"] : undefined;
  const [current] = Array.isArray(value["current_files"]) ? value["current_files"] : [];
  const isRestore = "bytes_restored" in value || "files_restored" in value || "files_skipped" in value;
  const restored = restoredOf(value);
  const progress: Progress = {
    ...(done === undefined ? {} : { percent: Math.min(100, Math.max(0, Math.round(done * 1000) / 10)) }),
    filesDone: isRestore ? plus(restored.files, restored.filesSkipped) : count(value["files_done"]),
    // restic knows the totals only once it has scanned.
    ...(count(value["total_files"]) === 0 ? {} : { totalFiles: count(value["total_files"]) }),
    bytesDone: isRestore ? plus(restored.bytes, restored.bytesSkipped) : count(value["bytes_done"]),
    ...(count(value["total_bytes"]) === 0 ? {} : { totalBytes: count(value["total_bytes"]) }),
    ...(value["seconds_remaining"] === undefined ? {} : { secondsRemaining: count(value["seconds_remaining"]) }),
    errors: count(value["error_count"]),
    ...(typeof current === "string" ? { currentFile: line(current) } : {}),
  };
  return { type: "status", progress, ...(isRestore ? { restored } : {}) };
}

function restoredOf(value: Values): Restored {
  return {
    files: count(value["files_restored"]),
    filesSkipped: count(value["files_skipped"]),
    bytes: count(value["bytes_restored"]),
    bytesSkipped: count(value["bytes_skipped"]),
  };
}

function summary(value: Values): Summary {
  const id = value["snapshot_id"];
  return {
    ...(typeof id === "string" && /^[0-9a-f]{64}$/.test(id) ? { snapshotID: id } : {}),
    dryRun: value["dry_run"] === true,
    ...counts(value),
    restored: restoredOf(value),
  };
}

/** The numbers that a summary line and a snapshot's stored summary have in common. */
export function counts(value: Values) {
  return {
    filesNew: count(value["files_new"]),
    filesChanged: count(value["files_changed"]),
    filesUnmodified: count(value["files_unmodified"]),
    totalFiles: count(value["total_files_processed"]),
    totalBytes: count(value["total_bytes_processed"]),
    dataAddedBytes: count(value["data_added"]),
  };
}
