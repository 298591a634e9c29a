import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { HoldfastError } from "#base/errors.ts";
import { sealFrom } from "../state/seal.ts";
import { FILES } from "../state/state.ts";

/** The agent's database as one object, table by table. Sealed values are opened only where `allowSecrets` is set. */
export function dumpState(stateDir: string, allowSecrets: boolean): { [table: string]: unknown[] } {
  const file = `${stateDir}/${FILES.database}`;
  if (!existsSync(file)) {
    throw new HoldfastError(
      "cli/no-state",
      `there is no agent's state in ${stateDir}: name its folder with --state-dir`,
    );
  }
  const seal = allowSecrets ? sealFrom(`${stateDir}/${FILES.key}`, false) : undefined;
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    const tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").all();
    return Object.fromEntries(
      tables.map(({ name }) => {
        const rows = database.prepare(`SELECT * FROM "${String(name).replaceAll('"', '""')}"`).all();
        return [String(name), rows.map((row) => readable(row, (value) => opened(row["name"], value)))];
      }),
    );
  } finally {
    database.close();
  }

  function opened(name: unknown, sealed: Uint8Array): unknown {
    if (!seal || typeof name !== "string") return `sealed, ${sealed.length} bytes`;
    return parsed(Buffer.from(seal.open(name, sealed)).toString("utf8"));
  }
}

function readable(
  row: { [column: string]: unknown },
  open: (sealed: Uint8Array) => unknown,
): { [column: string]: unknown } {
  return Object.fromEntries(
    Object.entries(row).map(([column, value]) => {
      if (value instanceof Uint8Array) return [column, open(value)];
      return [column, typeof value === "string" ? parsed(value) : value];
    }),
  );
}

/** Columns that hold JSON are shown as what they hold. */
function parsed(text: string): unknown {
  if (!text.startsWith("{") && !text.startsWith("[")) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
