import type { DatabaseSync } from "node:sqlite";
import type { Record } from "#protocol/record.ts";
import { Killed, running, type SimProcess } from "./process.ts";

/** A file or folder. `synced` is what a power cut leaves of it; undefined: nothing. */
export interface Inode {
  readonly folder: boolean;
  mode: number;
  data: Buffer;
  synced: Buffer | undefined;
  /** Nanoseconds. */
  mtime: bigint;
}

export type Fault = "full" | "broken";

/** What a machine can be set back to. */
export interface DiskImage {
  readonly files: ReadonlyMap<string, Inode>;
  readonly tables: Tables;
}

type Tables = ReadonlyMap<string, readonly { readonly [column: string]: unknown }[]>;

/** Tables of the agent's database, parents before children. */
const TABLES = ["secrets", "identity", "config", "runs", "attempts", "steps", "outbox", "commands", "schedules"];

/** One machine's disk: files in memory and the agent's database, which outlive every process. */
export class Disk {
  readonly files = new Map<string, Inode>();
  readonly database: DatabaseSync;
  /** What writes come to; undefined: they succeed. */
  fault: Fault | undefined;
  /** The share of writes that the fault hits. */
  faultShare = 1;
  /** The process that holds the state folder's lock. */
  lockedBy: SimProcess | undefined;
  /** Kills the process that makes it in the n-th write from now. */
  killAfterWrites: number | undefined;
  onKill: () => void = () => {};
  /** /proc/<pid>/stat of the machine's processes. */
  stat: (pid: number) => string | undefined = () => undefined;
  now: () => number = () => 0;
  readonly #chance: () => number;

  constructor(database: DatabaseSync, chance: () => number) {
    this.database = database;
    this.#chance = chance;
    for (const table of TABLES.toReversed()) this.database.exec(`DELETE FROM ${table}`);
    for (const folder of ["/", "/srv", "/srv/data", "/var", "/restore", "/dev", "/dev/shm"]) this.makeFolder(folder);
  }

  makeFolder(path: string, mode = 0o755): void {
    this.files.set(path, { folder: true, mode, data: Buffer.alloc(0), synced: undefined, mtime: this.mtime() });
  }

  mtime(): bigint {
    return BigInt(Math.floor(this.now() * 1e6));
  }

  /** By a process other than the agent: no faults, durable where `sync`. */
  write(path: string, data: Buffer, sync: boolean): void {
    const file = this.files.get(path);
    const synced = sync ? data : file?.synced;
    this.files.set(path, { folder: false, mode: 0o600, data, synced, mtime: this.mtime() });
  }

  sync(path: string): void {
    const file = this.files.get(path);
    if (file !== undefined) file.synced = file.data;
  }

  append(path: string, text: string): void {
    const file = this.files.get(path);
    this.write(path, Buffer.concat([file?.data ?? Buffer.alloc(0), Buffer.from(text)]), false);
  }

  /** Before every access of the running process: a dead one has none, and a crash may come between any two writes. */
  access(): void {
    if (running.process?.alive !== true) throw new Killed();
  }

  /** Around every write of the running process, but for memory. `full` and `broken` are the errors of whoever asks. */
  change<T>(write: () => T, full: () => Error, broken: () => Error): T {
    this.access();
    const last = this.killAfterWrites !== undefined && --this.killAfterWrites <= 0;
    // Before or after: both happen.
    if (last && this.#chance() < 0.5) this.#kill();
    if (this.fault !== undefined && this.#chance() < this.faultShare) throw this.fault === "full" ? full() : broken();
    const result = write();
    if (last) this.#kill();
    return result;
  }

  #kill(): never {
    this.killAfterWrites = undefined;
    this.onKill();
    throw new Killed();
  }

  /** What was written and not yet synced is kept or lost, file by file. */
  powerCut(): void {
    for (const [path, file] of this.files) {
      if (file.folder || file.synced === file.data || this.#chance() < 0.5) continue;
      if (file.synced === undefined) this.files.delete(path);
      else file.data = file.synced;
    }
    for (const path of [...this.files.keys()]) if (path.startsWith("/dev/shm/")) this.files.delete(path);
  }

  /** Records that wait for their acknowledgement, up to this number. */
  outbox(upTo = Number.MAX_SAFE_INTEGER, from = 0): Record[] {
    const select = "SELECT record FROM outbox WHERE seq BETWEEN ? AND ? AND rejected_code IS NULL";
    const rows = this.database.prepare(select).all(from, upTo);
    return rows.map((row) => JSON.parse(String(row["record"])));
  }

  image(): DiskImage {
    const files = new Map([...this.files].map(([path, file]) => [path, { ...file }]));
    const tables = new Map(
      TABLES.map((table) => [table, this.database.prepare(`SELECT rowid, * FROM ${table}`).all()] as const),
    );
    return { files, tables };
  }

  restore({ files, tables }: DiskImage): void {
    this.files.clear();
    for (const [path, file] of files) this.files.set(path, { ...file });
    for (const table of TABLES.toReversed()) this.database.exec(`DELETE FROM ${table}`);
    for (const [table, rows] of tables) {
      for (const row of rows) {
        const columns = Object.keys(row).filter((column) => column !== "rowid" || !keyed(row));
        const marks = columns.map(() => "?").join(", ");
        this.database
          .prepare(`INSERT INTO ${table} (${columns.join(", ")}) VALUES (${marks})`)
          .run(...columns.map((column) => row[column] as string));
      }
    }
  }
}

/** `rowid` is another name for these tables' own integer key, which SQLite then reports under that name alone. */
function keyed(row: object): boolean {
  return "seq" in row || "only_row" in row;
}
