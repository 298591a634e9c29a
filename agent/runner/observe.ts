import type { Progress } from "#protocol/record.ts";
import { line } from "#protocol/text.ts";
import { type Message, type Output, parseLine, type Restored, type Summary } from "./lines.ts";

/** Everything one restic has said so far. */
export interface Observation {
  progress?: Progress;
  restored?: Restored;
  summary?: Summary;
  initializedID?: string;
  /** The error on which restic tries again, and since when; absent while the repository answers. */
  retrying?: { since: number; message: string };
  failedFiles: { count: number; first: string[] };
  /** Text of stderr that may be the cause of a failure, the latest last. */
  errors: string[];
}

const MAX_NAMED_FILES = 10;
const MAX_ERRORS = 20;
/** restic prints where in its source an unexpected error came from, after the error itself. */
const GO_STACK = /\n\S[^\n]*\n\t[^\n]*\.go:\d[\s\S]*$/;

export function nothingSeen(): Observation {
  return { failedFiles: { count: 0, first: [] }, errors: [] };
}

/** What goes into the run's log for a line; undefined for noise. */
export type Logged = string | undefined;

/**
 * Adds one line to `seen`; answers what of it belongs into the log. `show` makes a text fit to leave the runner (redacted,
 * host paths).
 */
export function observe(
  seen: Observation,
  output: Output,
  text: string,
  now: number,
  show: (text: string) => string,
): Logged {
  const message: Message = parseLine(output, text);
  switch (message.type) {
    case "status":
      if ((message.progress.bytesDone ?? 0) > (seen.progress?.bytesDone ?? 0)) delete seen.retrying;
      seen.progress = {
        ...message.progress,
        ...(message.progress.currentFile === undefined
          ? {}
          : { currentFile: line(show(message.progress.currentFile)) }),
      };
      if (message.restored !== undefined) seen.restored = message.restored;
      return undefined;
    case "summary":
      seen.summary = message.summary;
      return undefined;
    case "unread": {
      const item = line(show(message.item));
      seen.failedFiles.count++;
      if (seen.failedFiles.first.length < MAX_NAMED_FILES && item !== "") seen.failedFiles.first.push(item);
      remember(seen, show(message.message));
      return `${message.item}: ${message.message}`;
    }
    case "retrying":
      seen.retrying = { since: seen.retrying?.since ?? now, message: line(show(message.message), 600) };
      return text;
    case "recovered":
      delete seen.retrying;
      return text;
    case "exit":
      remember(seen, show(message.message.replace(/^(Fatal: )+/, "").replace(GO_STACK, "")));
      return message.message;
    case "initialized":
      seen.initializedID = message.id;
      return text;
    case "text":
      if (output === "stderr" && text.trim() !== "") remember(seen, show(text));
      return text.trim() === "" ? undefined : text;
  }
}

function remember(seen: Observation, text: string): void {
  seen.errors.push(text.slice(0, 4096));
  if (seen.errors.length > MAX_ERRORS) seen.errors.shift();
}
