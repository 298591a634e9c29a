import type { Command } from "#protocol/command.ts";
import type { Config } from "#protocol/config.ts";
import type { Hello, LogChunk, LogSubject } from "#protocol/frames.ts";
import type { ConfigRefusal } from "#protocol/outcome.ts";
import type { Progress, Record } from "#protocol/record.ts";

/** Who this agent is, from its enrolment. The credential is a secret: sealed at rest, never logged. */
export interface Identity {
  host: { uid: string; namespace: string; name: string };
  clusterID: string;
  /** wss:// address of the agent endpoint. */
  endpoint: string;
  /** PEM certificates to trust for the endpoint; empty: those of the system. */
  ca: string[];
  /** `hfa_<namespace>_<host>_<secret>`. */
  credential: string;
  ticket: string;
  /** The nonce of the last hello_ack, shown by the next hello. */
  nonce?: string;
  /** The highest epoch seen for `host.uid`; server frames below it are refused. */
  highestEpoch: number;
}

export interface OutboxEntry {
  seq: number;
  record: Record;
}

/** What a running agent says of a run or restore between its records; latest wins. */
export interface ProgressReport {
  kind: "run" | "restore" | "task";
  uid: string;
  /** The BackupRun, the Restore, or the Repository of a task. */
  name: string;
  attempt: number;
  phase: "Queued" | "Running";
  reason: string;
  message: string;
  startTime?: string;
  progress?: Progress;
}

/**
 * The part of the agent that runs backups, as the link sees it. It works without a link: it fires schedules and keeps
 * results whether or not anybody listens. Every method is synchronous and durable when it returns (SQLite with
 * synchronous=FULL); none throws for what a server may send, they answer with a refusal instead.
 */
export interface Core {
  identity(): Identity;
  /** Merges `change` and writes it durably. */
  updateIdentity(change: Partial<Identity>): void;
  inventory(): Pick<Hello, "bootID" | "agent">;
  /** The id last applied and the policies that came with it. */
  held(): { id?: string; policies: string[] };
  /** UIDs of runs and restores that are queued or running. */
  active(): string[];
  /** Puts a whole configuration in force, or says why not and keeps the old one. */
  applyConfig(config: Config): { applied: string } | { refused: ConfigRefusal; message: string };
  /** Journals and starts (or queues) a command; `duplicate` puts the recorded outcome into the outbox again. */
  command(command: Command): { state: "accepted" | "duplicate" | "expired" | "refused"; message?: string };
  outbox: {
    /** Random at each opening of the database. */
    readonly stream: string;
    /** Entries not yet acknowledged with seq > `after`, in order, at most `limit`; rejected ones are left out. */
    pending(after: number, limit: number): OutboxEntry[];
    /** Forgets everything of `stream` up to and with `seq`; another stream is ignored. */
    ack(stream: string, seq: number): void;
    /** Sets one entry aside: it is never sent again, and kept for the administrator (dump-state). */
    reject(stream: string, seq: number, code: string, message: string): void;
  };
  /** The log from `offset` (bytes), or why there is none. Nothing of it is durable or remembered. */
  readLog(subject: LogSubject, offset: number): LogChunk | { missing: string };
  /** Called after a record was added to the outbox, and with each progress report; one listener, the link. */
  onRecord(listener: () => void): void;
  onProgress(listener: (report: ProgressReport) => void): void;
}
