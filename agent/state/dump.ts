import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { HoldfastError } from "#base/errors.ts";
import { sealFrom } from "./seal.ts";
import { FILES } from "./state.ts";
import { openVault } from "./vault.ts";

/** Tables in the order in which a reader wants them. */
const TABLES = ["identity", "config", "schedules", "runs", "attempts", "steps", "outbox", "commands"];
/** Columns that hold JSON. */
const JSON_COLUMNS = new Set(["value", "spec", "record"]);
/** Rows of one table that are shown, the newest. */
const MAX_ROWS = 1000;

/**
 * Everything in the state folder `dir`, for an administrator; reads only, so a running agent does not mind. Secrets are
 * opened where `allowSecrets` is set, else only named.
 */
export function dumpState(dir: string, allowSecrets: boolean): { [table: string]: unknown } {
  const file = `${dir}/${FILES.database}`;
  if (!existsSync(file)) {
    throw new HoldfastError(
      "state/missing",
      `${dir} holds no agent's state: name its folder, or enrol this host first`,
    );
  }
  const database = new DatabaseSync(file, { readOnly: true, timeout: 5_000 });
  try {
    const dump: { [table: string]: unknown } = {
      schema: database.prepare("PRAGMA user_version").get()?.["user_version"],
    };
    for (const table of TABLES) {
      const rows = database.prepare(`SELECT * FROM ${table} ORDER BY rowid DESC LIMIT ${MAX_ROWS}`).all();
      dump[table] = rows.reverse().map((row) =>
        Object.fromEntries(
          Object.entries(row)
            .filter(([column, value]) => value !== null && column !== "only_row")
            .map(([column, value]) => [column, JSON_COLUMNS.has(column) ? JSON.parse(String(value)) : value]),
        ),
      );
    }
    const names = database
      .prepare("SELECT name FROM secrets ORDER BY name")
      .all()
      .map((row) => String(row["name"]));
    const vault = allowSecrets ? openVault(database, sealFrom(`${dir}/${FILES.key}`, false)) : undefined;
    dump["secrets"] = Object.fromEntries(names.map((name) => [name, vault === undefined ? "sealed" : vault.get(name)]));
    return dump;
  } finally {
    database.close();
  }
}
