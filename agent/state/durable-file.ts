import { closeSync, fsyncSync, openSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/** Replaces `path` as a whole and durably: after a power cut it holds the old or the new bytes, never half of them. */
export function writeDurably(path: string, data: Uint8Array, mode = 0o600): void {
  const temporary = `${path}.new`;
  const file = openSync(temporary, "w", mode);
  try {
    writeSync(file, data);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
  const folder = openSync(dirname(path), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
