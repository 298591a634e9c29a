import type { KubeObject } from "../../operator/kube/resource.ts";

/** All that a session of kills has left to judge it by. What the checks say follows from this alone. */
export interface History {
  /** Every version of every object the checks know, in the order etcd took them. */
  readonly versions: readonly Version[];
  readonly faults: readonly Fault[];
  /** Every restic that an agent started for a backup or a restore. */
  readonly starts: readonly Start[];
  /** Every snapshot of the repository, as restic lists it. */
  readonly snapshots: readonly SavedSnapshot[];
  /** What was asked for: BackupRuns and Restores by `<plural>/<name>`. */
  readonly asked: readonly string[];
  readonly slots: Slots;
  /** How a restored tree differs from its source, by the Restore's name. */
  readonly restored: ReadonlyMap<string, readonly string[]>;
  /** restic's locks in the repository. */
  readonly locks: readonly { readonly id: string; readonly pid: number }[];
  /** What lies about that should not, in words. */
  readonly leftovers: readonly string[];
}

export interface SavedSnapshot {
  readonly id: string;
  readonly tags: readonly string[];
  readonly summary: {
    readonly total_files_processed: number;
    readonly total_bytes_processed: number;
    readonly data_added: number;
  };
}

export interface Version {
  readonly revision: number;
  /** As the API has it: `backupruns`, `restores`, `hosts`, `leases`. */
  readonly plural: string;
  readonly name: string;
  /** Absent: deleted. */
  readonly object?: KubeObject & { readonly spec?: unknown; readonly status?: unknown };
}

export type Target = "operator" | "agent" | "restic" | "api-server" | "etcd";

/** A fault that was done. */
export interface Fault {
  readonly target: Target;
  readonly signal: "SIGKILL" | "SIGSTOP";
  /** Where in the course of things, in words. */
  readonly point: string;
  /** The process, or what it is called. */
  readonly what: string;
  /** Of a restic that was killed, with its group. */
  readonly pids: readonly number[];
  /** Ids of the runs and restores whose work was hit: an agent's unfinished ones, a restic's own. */
  readonly hit: readonly string[];
}

export interface Start {
  /** Of the run or restore. */
  readonly id: string;
  readonly attempt: number;
  readonly step: string;
}

/** BackupRuns of schedules, by name. */
export interface Slots {
  /** Fell due while the schedule stood: each has a BackupRun. */
  readonly due: ReadonlySet<string>;
  /** Fell due in the moment in which the schedule was learned or suspended. */
  readonly possible: ReadonlySet<string>;
}

export interface Violation {
  readonly rule: string;
  readonly subject: string;
  readonly message: string;
}

export function wordsOf({ rule, subject, message }: Violation): string {
  return `${rule}: ${subject}: ${message}`;
}
