import type { DatabaseSync } from "node:sqlite";
import { COMMAND_MEMORY_MS } from "#protocol/limits.ts";

/** Which commands this agent has seen, so that a repeat is answered and never carried out twice. */
export interface CommandLog {
  /** The uid of the run, restore or task that a known command is about. */
  find(id: string): string | undefined;
  add(command: { id: string; type: string; subject: string; received: number }): void;
  /** Forgets commands older than seven days, but restores never: one that is replayed would write over live data. */
  forget(now: number): void;
}

export function openCommands(database: DatabaseSync): CommandLog {
  const select = database.prepare("SELECT subject FROM commands WHERE id = ?");
  const insert = database.prepare("INSERT OR IGNORE INTO commands (id, type, subject, received) VALUES (?, ?, ?, ?)");
  const remove = database.prepare("DELETE FROM commands WHERE type <> 'restore' AND received < ?");
  return {
    find(id) {
      const row = select.get(id);
      return row === undefined ? undefined : String(row["subject"]);
    },
    add: ({ id, type, subject, received }) => void insert.run(id, type, subject, received),
    forget: (now) => void remove.run(now - COMMAND_MEMORY_MS),
  };
}
