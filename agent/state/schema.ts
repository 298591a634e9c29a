import type { DatabaseSync } from "node:sqlite";
import { HoldfastError } from "#base/errors.ts";

/**
 * Each entry raises the schema by one version and is never changed after a release. Times are milliseconds since 1970.
 * Secrets stand only in `secrets`, sealed one by one under their name.
 */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE secrets (name TEXT PRIMARY KEY, sealed BLOB NOT NULL) STRICT;
  CREATE TABLE identity (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), value TEXT NOT NULL) STRICT;
  CREATE TABLE config (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1), id TEXT NOT NULL, value TEXT NOT NULL, applied INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE runs (
    uid TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('run', 'restore', 'task')),
    name TEXT NOT NULL,
    policy_uid TEXT,
    state TEXT NOT NULL CHECK (state IN ('Queued', 'Running', 'Done')),
    created INTEGER NOT NULL,
    started INTEGER,
    finished INTEGER,
    cancel INTEGER NOT NULL DEFAULT 0,
    spec TEXT NOT NULL,
    record TEXT
  ) STRICT;
  CREATE INDEX runs_by_state ON runs (state, created);
  CREATE INDEX runs_by_finish ON runs (finished) WHERE finished IS NOT NULL;
  CREATE TABLE attempts (
    uid TEXT NOT NULL REFERENCES runs (uid) ON DELETE CASCADE,
    attempt INTEGER NOT NULL,
    started INTEGER NOT NULL,
    finished INTEGER,
    phase TEXT,
    reason TEXT,
    message TEXT,
    exit_code INTEGER,
    PRIMARY KEY (uid, attempt)
  ) STRICT;
  CREATE TABLE steps (
    uid TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    step TEXT NOT NULL,
    folder TEXT NOT NULL,
    started INTEGER NOT NULL,
    pid INTEGER NOT NULL,
    pid_start TEXT NOT NULL,
    boot_id TEXT NOT NULL,
    PRIMARY KEY (uid, attempt, step),
    FOREIGN KEY (uid, attempt) REFERENCES attempts (uid, attempt) ON DELETE CASCADE
  ) STRICT;
  CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    uid TEXT NOT NULL,
    record TEXT NOT NULL,
    rejected_code TEXT,
    rejected_message TEXT
  ) STRICT;
  CREATE UNIQUE INDEX outbox_by_subject ON outbox (kind, uid) WHERE rejected_code IS NULL;
  CREATE TABLE commands (
    id TEXT PRIMARY KEY, type TEXT NOT NULL, subject TEXT NOT NULL, received INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE schedules (
    policy_uid TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, since INTEGER NOT NULL, last_slot INTEGER
  ) STRICT;
  `,
];

/** Brings a database to the newest schema, in one transaction a version. A newer one than this agent knows is refused. */
export function migrate(database: DatabaseSync): void {
  const row = database.prepare("PRAGMA user_version").get();
  const version = Number(row?.["user_version"] ?? 0);
  if (version > MIGRATIONS.length) {
    throw new HoldfastError(
      "state/newer-schema",
      `the agent's database has schema ${version}, this agent knows up to ${MIGRATIONS.length}: install the newer agent again`,
    );
  }
  for (let next = version; next < MIGRATIONS.length; next++) {
    database.exec(`BEGIN IMMEDIATE; ${MIGRATIONS[next]}; PRAGMA user_version = ${next + 1}; COMMIT`);
  }
}
