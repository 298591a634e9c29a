import { randomUUID } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { type Record, record } from "#protocol/record.ts";
import type { OutboxEntry } from "../link/core.ts";
import { inTransaction } from "./database.ts";

/** Records on their way to the operator; see `Core.outbox` for what each call means. */
export interface Outbox {
  readonly stream: string;
  /** Takes the place of an older record of the same subject that is not yet acknowledged. */
  add(record: Record): void;
  pending(after: number, limit: number): OutboxEntry[];
  ack(stream: string, seq: number): void;
  reject(stream: string, seq: number, code: string, message: string): void;
  /** Whether a record of this subject still waits for its acknowledgement. */
  holds(uid: string): boolean;
  /** Forgets all but the newest of those that were set aside. */
  tidy(): void;
}

const MAX_SET_ASIDE = 1_000;

export function openOutbox(database: DatabaseSync): Outbox {
  const stream = randomUUID();
  const remove = database.prepare("DELETE FROM outbox WHERE kind = ? AND uid = ? AND rejected_code IS NULL");
  const insert = database.prepare("INSERT INTO outbox (seq, kind, uid, record) VALUES (?, ?, ?, ?)");
  const select = database.prepare(
    "SELECT seq, record FROM outbox WHERE seq > ? AND rejected_code IS NULL ORDER BY seq LIMIT ?",
  );
  const acknowledge = database.prepare("DELETE FROM outbox WHERE seq <= ? AND rejected_code IS NULL");
  const setAside = database.prepare("UPDATE outbox SET rejected_code = ?, rejected_message = ? WHERE seq = ?");
  const find = database.prepare("SELECT 1 FROM outbox WHERE uid = ? LIMIT 1");
  const forget = database.prepare(
    `DELETE FROM outbox WHERE seq IN (
       SELECT seq FROM outbox WHERE rejected_code IS NOT NULL ORDER BY seq DESC LIMIT -1 OFFSET ?)`,
  );
  const highest = database.prepare("SELECT coalesce(max(seq), 0) AS seq FROM outbox");

  // A counter in memory would hand out a used number again after the newest entry was acknowledged and forgotten; that is
  // harmless only because the stream is new at each opening.
  let last = Number(highest.get()?.["seq"] ?? 0);
  /** Not yet written down, for a full disk: an acknowledgement speaks of all before it and would forget these too. */
  const refused = new Map<number, { code: string; message: string }>();

  return {
    stream,
    add(entry) {
      inTransaction(database, () => {
        remove.run(entry.kind, entry.uid);
        insert.run(++last, entry.kind, entry.uid, JSON.stringify(entry));
      });
    },
    pending: (after, limit) =>
      select.all(after, limit).flatMap((row) => {
        const seq = Number(row["seq"]);
        const read = record.safeParse(JSON.parse(String(row["record"])));
        if (read.success) return [{ seq, record: read.data }];
        // What the contract does not allow would be refused for ever, and block all that comes after it.
        setAside.run("invalid", read.error.message, seq);
        return [];
      }),
    ack(of, seq) {
      if (of !== stream) return;
      for (const [number, { code, message }] of refused) {
        if (number > seq) continue;
        setAside.run(code, message, number);
        refused.delete(number);
      }
      acknowledge.run(seq);
    },
    reject(of, seq, code, message) {
      if (of !== stream) return;
      refused.set(seq, { code, message });
      setAside.run(code, message, seq);
      refused.delete(seq);
    },
    tidy: () => void forget.run(MAX_SET_ASIDE),
    holds: (uid) => find.get(uid) !== undefined,
  };
}
