import type { DatabaseSync } from "node:sqlite";
import { COMMAND_MEMORY_MS } from "#protocol/limits.ts";

/** Which commands this agent has seen, so that a repeat is answered and never carried out twice. */
export interface CommandLog {
  /** The subject of a known command, and its refusal where it was refused. */
  find(id: string): { subject: string; refusal?: string } | undefined;
  add(command: { id: string; type: string; subject: string; received: number; refusal?: string }): void;
  /** Forgets commands older than seven days, but restores never: one that is replayed would write over live data. */
  forget(now: number): void;
}

export function openCommands(database: DatabaseSync): CommandLog {
  const select = database.prepare("SELECT subject, refusal FROM commands WHERE id = ?");
  const insert = database.prepare(
    "INSERT OR IGNORE INTO commands (id, type, subject, received, refusal) VALUES (?, ?, ?, ?, ?)",
  );
  const remove = database.prepare("DELETE FROM commands WHERE type <> 'restore' AND received < ?");
  return {
    find(id) {
      const row = select.get(id);
      if (row === undefined) return undefined;
      const refusal = row["refusal"];
      return { subject: String(row["subject"]), ...(typeof refusal === "string" ? { refusal } : {}) };
    },
    add: ({ id, type, subject, received, refusal }) => void insert.run(id, type, subject, received, refusal ?? null),
    forget: (now) => void remove.run(now - COMMAND_MEMORY_MS),
  };
}
