// Generated from crds/*.yaml by `npm run generate`. Do not edit.
import type { Condition, ObjectMeta } from "./meta.ts";

/**
 * Brings data of a snapshot back to a folder of a host.
 */
export interface Restore {
  apiVersion: "holdfast.dev/v1alpha1";
  kind: "Restore";
  metadata: ObjectMeta;
  spec: RestoreSpec;
  status?: RestoreStatus;
}
/**
 * What is brought back and where to. Only cancel can be changed.
 */
export interface RestoreSpec {
  /**
   * Which snapshot.
   */
  source: {
    /**
     * Name of the Repository, in the same namespace.
     */
    repository: string;
    /**
     * The host the snapshot was made on. Unset is the target host. It need not exist any more.
     */
    hostName?: string;
    /**
     * The policy the snapshot was made by. It need not exist any more.
     */
    policy?: string;
    /**
     * What of the policy's, for example files.
     */
    source?: string;
    /**
     * latest, or an id of at least 8 hexadecimal digits as BackupRuns show it.
     */
    snapshot?: string;
    /**
     * With latest, the newest snapshot that is not later than this.
     */
    before?: string;
  };
  /**
   * Where to.
   */
  target: {
    /**
     * Name of the Host.
     */
    hostRef: string;
    /**
     * Absolute path of a folder on the host, made where it is missing. It must lie in the host's restore roots (by default /var/lib/holdfast/restore), which only the host's administrator can change.
     */
    path: string;
  };
  /**
   * Bring back only what matches one of these restic patterns, for example /srv/data/customers.
   */
  include?: string[];
  /**
   * Leave out what matches one of these restic patterns.
   */
  exclude?: string[];
  /**
   * Folders of the snapshot and where each goes. Unset: everything goes below target.path under its full path.
   *
   * Items: One folder.
   */
  pathMapping?: {
    /**
     * Folder in the snapshot.
     */
    from: string;
    /**
     * Folder below target.path on the host; it too must lie in the restore roots.
     */
    to: string;
  }[];
  /**
   * What happens to files that are there already: Never leaves them, Always replaces them, IfChanged replaces those of another size or time, IfNewer those that are older than in the snapshot. Default Never.
   */
  overwrite?: "Always" | "IfChanged" | "IfNewer" | "Never";
  /**
   * True lets restic read everything again and compare it after the restore.
   */
  verify?: boolean;
  /**
   * True lets restic only say what it would do.
   */
  dryRun?: boolean;
  /**
   * A restore that takes longer is cancelled and Failed, for example 90m or 6h. Default 24h.
   */
  timeout?: string;
  /**
   * How long it waits for a host that is offline before it fails. Default 3600, one hour.
   */
  startingDeadlineSeconds?: number;
  /**
   * Bandwidth limits. The smaller one of host and restore applies.
   */
  limits?: {
    /**
     * Upload limit in KiB per second. Unset means unlimited.
     */
    uploadKiBps?: number;
    /**
     * Download limit in KiB per second. Unset means unlimited.
     */
    downloadKiBps?: number;
  };
  /**
   * True stops the restore. What was written stays. It cannot be taken back.
   */
  cancel?: boolean;
}
/**
 * What became of it.
 */
export interface RestoreStatus {
  /**
   * The metadata.generation this status was computed from.
   */
  observedGeneration?: number;
  /**
   * Ready=True: it succeeded. Stalled=True: it ended in another way. Reconciling=True: it has not ended.
   */
  conditions?: Condition[];
  /**
   * Where it is: Pending (not yet with the agent), Queued, Running, then one of Succeeded, PartiallyFailed, Failed, Cancelled and Skipped, which are final. Unknown: the agent has been out of reach for long.
   */
  phase?:
    "Pending" | "Queued" | "Running" | "Succeeded" | "PartiallyFailed" | "Failed" | "Cancelled" | "Skipped" | "Unknown";
  /**
   * Why it is in this phase, in one word; docs/errors.md lists them.
   */
  reason?: string;
  /**
   * Why it is in this phase and what to do, in a sentence.
   */
  message?: string;
  /**
   * When the agent began.
   */
  startTime?: string;
  /**
   * When it ended.
   */
  completionTime?: string;
  /**
   * restic's exit code.
   */
  exitCode?: number;
  /**
   * How often it was tried.
   */
  attempts?: number;
  /**
   * The end of the log, without secrets.
   */
  logTail?: string;
  /**
   * How far it is. Written at once and then at most every 30 seconds.
   */
  progress?: {
    /**
     * Share that is done, 0 to 100.
     */
    percent?: number;
    /**
     * Files done.
     */
    filesDone?: number;
    /**
     * Files found so far.
     */
    totalFiles?: number;
    /**
     * Bytes done.
     */
    bytesDone?: number;
    /**
     * Bytes found so far.
     */
    totalBytes?: number;
    /**
     * restic's estimate of the time left.
     */
    secondsRemaining?: number;
    /**
     * Files that could not be read or written.
     */
    errors?: number;
    /**
     * A file restic is working on.
     */
    currentFile?: string;
  };
  /**
   * The snapshot that was chosen.
   */
  snapshotID?: string;
  /**
   * What was brought back.
   */
  restored?: {
    /**
     * Files and folders written.
     */
    files?: number;
    /**
     * Files that were there already and were left.
     */
    filesSkipped?: number;
    /**
     * Bytes written.
     */
    bytes?: number;
    /**
     * Bytes that were there already.
     */
    bytesSkipped?: number;
    /**
     * Files that could not be written.
     */
    errors?: number;
  };
}
