import type { DatabaseSync as Real, SQLInputValue, StatementSync } from "node:sqlite";
import type { Disk } from "../disk.ts";
import { Killed, running, type SimProcess } from "../process.ts";

/**
 * Stands in for node:sqlite in the agent: the real SQLite in memory, one database a machine, that outlives the process
 * which opened it. A process that dies in a transaction leaves nothing of it; commits are durable, as with
 * synchronous=FULL. The lock file is a flag of the disk.
 */
const SQLITE_BUSY = 5;
const SQLITE_IOERR = 10;
const SQLITE_FULL = 13;

function failure(errcode: number, message: string): Error {
  return Object.assign(new Error(message), { code: "ERR_SQLITE_ERROR", errcode });
}
const full = () => failure(SQLITE_FULL, "database or disk is full");
const broken = () => failure(SQLITE_IOERR, "disk I/O error");

export class DatabaseSync {
  readonly #process: SimProcess;
  readonly #disk: Disk;
  readonly #isLock: boolean;
  #open = true;

  constructor(path: string) {
    const { process } = running;
    if (process?.disk === undefined) throw new Killed();
    this.#process = process;
    this.#disk = process.disk;
    this.#isLock = path.endsWith("/lock.db");
    if (this.#isLock) return;
    this.#disk.access();
    if (!this.#disk.files.has(path)) this.#disk.write(path, Buffer.alloc(0), true);
    // What a dead process had not committed.
    if (this.#disk.database.isTransaction) this.#disk.database.exec("ROLLBACK");
  }

  get isTransaction(): boolean {
    return this.#disk.database.isTransaction;
  }

  exec(sql: string): void {
    this.#check();
    if (this.#isLock) {
      const holder = this.#disk.lockedBy;
      if (holder?.alive === true && holder !== this.#process) throw failure(SQLITE_BUSY, "database is locked");
      this.#disk.lockedBy = this.#process;
      return;
    }
    if (sql === "COMMIT") this.#disk.change(() => this.#disk.database.exec(sql), full, broken);
    else this.#disk.database.exec(sql);
  }

  prepare(sql: string): { run: Run; get: Get; all: All } {
    this.#check();
    const statement = prepared(this.#disk.database, sql);
    const reads = sql.startsWith("SELECT") || sql.startsWith("PRAGMA");
    const change = <T>(run: () => T): T => {
      this.#check();
      return reads ? run() : this.#disk.change(run, full, broken);
    };
    return {
      run: (...values) => change(() => statement.run(...values)),
      get: (...values) => change(() => statement.get(...values)),
      all: (...values) => change(() => statement.all(...values)),
    };
  }

  close(): void {
    this.#open = false;
    if (this.#isLock && this.#disk.lockedBy === this.#process) this.#disk.lockedBy = undefined;
  }

  /** A process that goes on after its death touches nothing. */
  #check(): void {
    if (!this.#open) throw new Error("database is not open");
    if (!this.#process.alive || running.process !== this.#process) throw new Killed();
  }
}

type Run = (...values: SQLInputValue[]) => ReturnType<StatementSync["run"]>;
type Get = (...values: SQLInputValue[]) => ReturnType<StatementSync["get"]>;
type All = (...values: SQLInputValue[]) => ReturnType<StatementSync["all"]>;

const statements = new WeakMap<Real, Map<string, StatementSync>>();

/** To prepare one takes longer than to run it, and every start of an agent prepares the same forty. */
function prepared(database: Real, sql: string): StatementSync {
  let known = statements.get(database);
  if (known === undefined) {
    known = new Map();
    statements.set(database, known);
  }
  let statement = known.get(sql);
  if (statement === undefined) {
    statement = database.prepare(sql);
    known.set(sql, statement);
  }
  return statement;
}
