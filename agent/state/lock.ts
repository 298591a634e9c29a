import { DatabaseSync } from "node:sqlite";
import type { Clock } from "#base/clock.ts";
import type { Log } from "../log.ts";

const RETRY_MS = 500;
const SQLITE_BUSY = 5;

/** Whether `error` is SQLite's, with this primary result code. */
export function isSqlite(error: unknown, ...codes: number[]): boolean {
  return error instanceof Error && "errcode" in error && codes.includes(Number(error.errcode) & 0xff);
}

/**
 * One agent on one state folder. Node has no flock, so a SQLite file held in an exclusive transaction stands for it: the
 * kernel lets go of it when the process ends, however it ends. A second agent waits and says so.
 */
export async function lockState(path: string, clock: Clock, log: Log, signal?: AbortSignal): Promise<() => void> {
  for (let waited = false; ; waited = true) {
    const database = new DatabaseSync(path, { timeout: 0 });
    try {
      database.exec("BEGIN EXCLUSIVE");
      return () => database.close();
    } catch (error) {
      database.close();
      if (!isSqlite(error, SQLITE_BUSY)) throw error;
    }
    if (!waited) log.warn({ lock: path }, "another agent runs on this state folder; waiting until it has ended");
    await clock.sleep(RETRY_MS, signal);
  }
}
