import type { DatabaseSync } from "node:sqlite";
import type { Reason, TerminalPhase } from "#protocol/outcome.ts";
import { type Record, record } from "#protocol/record.ts";
import { inTransaction } from "./database.ts";
import type { Vault } from "./vault.ts";

/** run -> attempt -> step: what was begun, durable before it begins, so that a new process knows what to adopt. */
export interface JournalRun {
  uid: string;
  kind: "run" | "restore" | "task";
  name: string;
  policyUID?: string;
  state: "Queued" | "Running" | "Done";
  created: number;
  started?: number;
  cancel: boolean;
  /** What to do, as JSON without secrets; its form is the runner's. */
  spec: unknown;
}

export interface JournalAttempt {
  attempt: number;
  started: number;
  finished?: number;
  reason?: string;
}

/** One restic process. `folder` holds its output and its recorded exit. */
export interface JournalStep {
  attempt: number;
  step: string;
  folder: string;
  process: { pid: number; startTime: string; bootID: string };
}

export interface AttemptEnd {
  phase: TerminalPhase;
  reason: Reason;
  message: string;
  exitCode?: number;
}

export interface Journal {
  /** False where this uid is already known: nothing is changed then. `access` is sealed and forgotten at the end. */
  add(run: Omit<JournalRun, "cancel" | "state">, access?: unknown): boolean;
  /** A run that ends without having begun (Skipped, Cancelled before its start). */
  addEnded(run: Omit<JournalRun, "cancel" | "state">, ended: Record): boolean;
  find(uid: string): JournalRun | undefined;
  /** Queued and running ones, oldest first. */
  unfinished(): JournalRun[];
  access(uid: string): unknown;
  /** The last record made of it. */
  record(uid: string): Record | undefined;
  saveRecord(entry: Record): void;
  requestCancel(uid: string): void;
  begin(uid: string, now: number): void;
  end(uid: string, now: number, final: Record): void;
  attempts(uid: string): JournalAttempt[];
  beginAttempt(uid: string, attempt: number, now: number): void;
  endAttempt(uid: string, attempt: number, now: number, end: AttemptEnd): void;
  steps(uid: string, attempt: number): JournalStep[];
  beginStep(uid: string, step: JournalStep, now: number): void;
  /** Ended before `before`, restores too; the newest first. */
  endedBefore(before: number): { uid: string; kind: string }[];
  forget(uid: string): void;
}

export function openJournal(database: DatabaseSync, vault: Vault): Journal {
  const sql = {
    insert: database.prepare(
      `INSERT OR IGNORE INTO runs (uid, kind, name, policy_uid, state, created, finished, spec, record)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    find: database.prepare("SELECT * FROM runs WHERE uid = ?"),
    unfinished: database.prepare("SELECT * FROM runs WHERE state <> 'Done' ORDER BY created, rowid"),
    saveRecord: database.prepare("UPDATE runs SET record = ? WHERE uid = ?"),
    cancel: database.prepare("UPDATE runs SET cancel = 1 WHERE uid = ?"),
    begin: database.prepare("UPDATE runs SET state = 'Running', started = coalesce(started, ?) WHERE uid = ?"),
    end: database.prepare("UPDATE runs SET state = 'Done', finished = ?, record = ? WHERE uid = ?"),
    attempts: database.prepare("SELECT * FROM attempts WHERE uid = ? ORDER BY attempt"),
    beginAttempt: database.prepare("INSERT INTO attempts (uid, attempt, started) VALUES (?, ?, ?)"),
    endAttempt: database.prepare(
      "UPDATE attempts SET finished = ?, phase = ?, reason = ?, message = ?, exit_code = ? WHERE uid = ? AND attempt = ?",
    ),
    steps: database.prepare("SELECT * FROM steps WHERE uid = ? AND attempt = ? ORDER BY rowid"),
    beginStep: database.prepare(
      "INSERT INTO steps (uid, attempt, step, folder, started, pid, pid_start, boot_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    ),
    ended: database.prepare("SELECT uid, kind FROM runs WHERE finished < ? ORDER BY finished DESC"),
    forget: database.prepare("DELETE FROM runs WHERE uid = ?"),
  };
  const accessName = (uid: string) => `run/${uid}`;
  const insert = (run: Omit<JournalRun, "cancel" | "state">, ended?: Record) =>
    sql.insert.run(
      run.uid,
      run.kind,
      run.name,
      run.policyUID ?? null,
      ended === undefined ? "Queued" : "Done",
      run.created,
      ended === undefined ? null : run.created,
      JSON.stringify(run.spec),
      ended === undefined ? null : JSON.stringify(ended),
    ).changes === 1;

  return {
    add: (run, access) =>
      inTransaction(database, () => {
        if (!insert(run)) return false;
        if (access !== undefined) vault.put(accessName(run.uid), access);
        return true;
      }),
    addEnded: insert,
    find(uid) {
      const row = sql.find.get(uid);
      return row === undefined ? undefined : runOf(row);
    },
    unfinished: () => sql.unfinished.all().map(runOf),
    access: (uid) => vault.get(accessName(uid)),
    record(uid) {
      const text = sql.find.get(uid)?.["record"];
      return typeof text === "string" ? record.parse(JSON.parse(text)) : undefined;
    },
    saveRecord: (entry) => void sql.saveRecord.run(JSON.stringify(entry), entry.uid),
    requestCancel: (uid) => void sql.cancel.run(uid),
    begin: (uid, now) => void sql.begin.run(now, uid),
    end: (uid, now, final) =>
      inTransaction(database, () => {
        sql.end.run(now, JSON.stringify(final), uid);
        vault.delete(accessName(uid));
      }),
    attempts: (uid) =>
      sql.attempts.all(uid).map((row) => ({
        attempt: Number(row["attempt"]),
        started: Number(row["started"]),
        ...(row["finished"] === null ? {} : { finished: Number(row["finished"]) }),
        ...(typeof row["reason"] === "string" ? { reason: row["reason"] } : {}),
      })),
    beginAttempt: (uid, attempt, now) => void sql.beginAttempt.run(uid, attempt, now),
    endAttempt: (uid, attempt, now, { phase, reason, message, exitCode }) =>
      void sql.endAttempt.run(now, phase, reason, message, exitCode ?? null, uid, attempt),
    steps: (uid, attempt) => sql.steps.all(uid, attempt).map(stepOf),
    beginStep: (uid, { attempt, step, folder, process: { pid, startTime, bootID } }, now) =>
      void sql.beginStep.run(uid, attempt, step, folder, now, pid, startTime, bootID),
    endedBefore: (before) =>
      sql.ended.all(before).map((row) => ({ uid: String(row["uid"]), kind: String(row["kind"]) })),
    forget: (uid) => void sql.forget.run(uid),
  };
}

type Row = { [column: string]: unknown };

function runOf(row: Row): JournalRun {
  return {
    uid: String(row["uid"]),
    kind: row["kind"] as JournalRun["kind"],
    name: String(row["name"]),
    ...(typeof row["policy_uid"] === "string" ? { policyUID: row["policy_uid"] } : {}),
    state: row["state"] as JournalRun["state"],
    created: Number(row["created"]),
    ...(row["started"] === null ? {} : { started: Number(row["started"]) }),
    cancel: row["cancel"] === 1,
    spec: JSON.parse(String(row["spec"])),
  };
}

function stepOf(row: Row): JournalStep {
  return {
    attempt: Number(row["attempt"]),
    step: String(row["step"]),
    folder: String(row["folder"]),
    process: { pid: Number(row["pid"]), startTime: String(row["pid_start"]), bootID: String(row["boot_id"]) },
  };
}
