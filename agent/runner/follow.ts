import { closeSync, openSync, readSync } from "node:fs";

const CHUNK_BYTES = 256 * 1024;
/** restic's longest line is an error with a path; a longer one is cut. */
const LONGEST_LINE_BYTES = 64 * 1024;

/** Reads the lines of a file that another process appends to. */
export interface Follower {
  /** Hands over every whole line since the last call. */
  poll(): void;
  /** Hands over an unfinished last line too, and lets go of the file. */
  close(): void;
}

/** `path` need not exist yet. */
export function followLines(path: string, onLine: (text: string) => void): Follower {
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  let file: number | undefined;
  let rest: Buffer = Buffer.alloc(0);
  let cut = false;

  function take(bytes: Buffer): void {
    let begin = 0;
    for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a, begin)) {
      const part = bytes.subarray(begin, end);
      if (!cut) emit(rest.length === 0 ? part : Buffer.concat([rest, part]));
      rest = Buffer.alloc(0);
      cut = false;
      begin = end + 1;
    }
    if (cut) return;
    rest = Buffer.concat([rest, bytes.subarray(begin)]);
    if (rest.length > LONGEST_LINE_BYTES) {
      emit(rest);
      rest = Buffer.alloc(0);
      cut = true;
    }
  }

  function emit(bytes: Buffer): void {
    onLine(bytes.subarray(0, LONGEST_LINE_BYTES).toString("utf8").replace(/\r$/, ""));
  }

  function poll(): void {
    if (file === undefined) {
      try {
        file = openSync(path, "r");
      } catch {
        return;
      }
    }
    for (let length = readSync(file, chunk); length > 0; length = readSync(file, chunk)) {
      take(chunk.subarray(0, length));
    }
  }

  return {
    poll,
    close() {
      poll();
      if (rest.length > 0 && !cut) emit(rest);
      rest = Buffer.alloc(0);
      if (file !== undefined) closeSync(file);
      file = undefined;
    },
  };
}
