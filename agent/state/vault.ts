import type { DatabaseSync } from "node:sqlite";
import type { Seal } from "./seal.ts";

/** Secrets of the database, each a JSON value sealed under its own name. */
export interface Vault {
  put(name: string, value: unknown): void;
  get(name: string): unknown;
  delete(name: string): void;
}

export function openVault(database: DatabaseSync, seal: Seal): Vault {
  const insert = database.prepare(
    "INSERT INTO secrets (name, sealed) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed",
  );
  const select = database.prepare("SELECT sealed FROM secrets WHERE name = ?");
  const remove = database.prepare("DELETE FROM secrets WHERE name = ?");
  return {
    put: (name, value) => void insert.run(name, seal.close(name, Buffer.from(JSON.stringify(value)))),
    get(name) {
      const sealed = select.get(name)?.["sealed"];
      if (!(sealed instanceof Uint8Array)) return undefined;
      return JSON.parse(Buffer.from(seal.open(name, sealed)).toString("utf8"));
    },
    delete: (name) => void remove.run(name),
  };
}
