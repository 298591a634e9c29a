import { existsSync, renameSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { messageOf } from "#base/errors.ts";
import type { Log } from "../log.ts";
import { isSqlite } from "./lock.ts";
import { migrate } from "./schema.ts";

const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

/**
 * Opens the agent's database durably (WAL, every commit fsynced). A corrupt one is moved aside and an empty one takes
 * its place: the sealed files beside it bring back identity and schedules, what is lost are unreported results.
 */
export function openDatabase(path: string, now: number, log: Log): { database: DatabaseSync; replaced: boolean } {
  try {
    return { database: opened(path), replaced: false };
  } catch (error) {
    if (!isSqlite(error, SQLITE_CORRUPT, SQLITE_NOTADB)) throw error;
    const aside = `${path}.corrupt-${now}`;
    for (const suffix of ["", "-wal", "-shm"]) {
      if (existsSync(path + suffix)) renameSync(path + suffix, aside + suffix);
    }
    log.error(
      { database: path, movedTo: aside, error: messageOf(error) },
      "the agent's database is damaged and was moved aside; identity and schedules come from their sealed files, results not yet reported are lost",
    );
    return { database: opened(path), replaced: true };
  }
}

function opened(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: 5_000 });
  try {
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON");
    const check = database.prepare("PRAGMA quick_check(1)").get();
    if (check?.["quick_check"] !== "ok") {
      throw Object.assign(new Error(String(check?.["quick_check"])), { errcode: SQLITE_CORRUPT });
    }
    migrate(database);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Runs `work` in one durable transaction; joins one that is already open. */
export function inTransaction<T>(database: DatabaseSync, work: () => T): T {
  if (database.isTransaction) return work();
  database.exec("BEGIN IMMEDIATE");
  try {
    const result = work();
    database.exec("COMMIT");
    return result;
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}
