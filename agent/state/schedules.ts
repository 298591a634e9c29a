import type { DatabaseSync } from "node:sqlite";

/** What the agent remembers of one policy's schedule. Times are milliseconds since 1970. */
export interface ScheduleMemory {
  /** Of cron, time zone and suspension: a change moves `since`. */
  fingerprint: string;
  /** When this agent learned of the schedule, its last change, or its last resumption: no slot before it is caught up. */
  since: number;
  /** The newest slot that was decided on. */
  lastSlot?: number;
}

export interface ScheduleStore {
  read(policyUID: string): ScheduleMemory | undefined;
  write(policyUID: string, memory: ScheduleMemory): void;
  /** Forgets every policy but these. */
  retain(policyUIDs: readonly string[]): void;
}

export function openSchedules(database: DatabaseSync): ScheduleStore {
  const select = database.prepare("SELECT fingerprint, since, last_slot FROM schedules WHERE policy_uid = ?");
  const upsert = database.prepare(
    `INSERT INTO schedules (policy_uid, fingerprint, since, last_slot) VALUES (?, ?, ?, ?) ON CONFLICT (policy_uid)
     DO UPDATE SET fingerprint = excluded.fingerprint, since = excluded.since, last_slot = excluded.last_slot`,
  );
  const remove = database.prepare("DELETE FROM schedules WHERE policy_uid NOT IN (SELECT value FROM json_each(?))");
  return {
    read(policyUID) {
      const row = select.get(policyUID);
      if (row === undefined) return undefined;
      const lastSlot = row["last_slot"];
      return {
        fingerprint: String(row["fingerprint"]),
        since: Number(row["since"]),
        ...(lastSlot === null ? {} : { lastSlot: Number(lastSlot) }),
      };
    },
    write: (policyUID, { fingerprint, since, lastSlot }) =>
      void upsert.run(policyUID, fingerprint, since, lastSlot ?? null),
    retain: (policyUIDs) => void remove.run(JSON.stringify(policyUIDs)),
  };
}
