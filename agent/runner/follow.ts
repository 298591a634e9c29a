import { closeSync, openSync, readSync } from "node:fs";

const CHUNK_BYTES = 256 * 1024;
/** Handed over in one go: other work of this process has its turn before the rest. */
const CHUNKS_AT_ONCE = 4;
/** restic's longest line is an error with a path; a longer one is cut. */
const LONGEST_LINE_BYTES = 64 * 1024;

/** Reads the lines of a file that another process appends to. */
export interface Follower {
  /** Hands over whole lines since the last call; true where there may be more of them at once. */
  poll(): boolean;
  /** Hands over all that is left, an unfinished last line too. */
  end(): void;
  /** Lets go of the file. */
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

  function poll(): boolean {
    if (file === undefined) {
      try {
        file = openSync(path, "r");
      } catch {
        return false;
      }
    }
    for (let read = 0; read < CHUNKS_AT_ONCE; read++) {
      const length = readSync(file, chunk);
      if (length === 0) return false;
      take(chunk.subarray(0, length));
    }
    return true;
  }

  return {
    poll,
    end() {
      while (poll());
      if (rest.length > 0 && !cut) emit(rest);
      rest = Buffer.alloc(0);
    },
    close() {
      if (file !== undefined) closeSync(file);
      file = undefined;
    },
  };
}
