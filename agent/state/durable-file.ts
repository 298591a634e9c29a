import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** Replaces `path` as a whole and durably: after a power cut or on a full disk it holds the old or the new bytes, never half of them. */
export function writeDurably(path: string, data: Uint8Array, mode = 0o600): void {
  const temporary = `${path}.new`;
  try {
    const file = openSync(temporary, "w", mode);
    try {
      // Not writeSync: on a disk that fills up it writes less than it was given, and says so by its answer only.
      writeFileSync(file, data);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  renameSync(temporary, path);
  const folder = openSync(dirname(path), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
