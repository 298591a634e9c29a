// Generated from crds/*.yaml by `npm run generate`. Do not edit.
import type { Condition, ObjectMeta } from "./meta.ts";

/**
 * Brings data of a snapshot back to a folder of a host; nothing outside that folder is touched. Next: wait for its end with kubectl wait restore/NAME --for=condition=Ready (it succeeded) or --for=condition=Stalled (it ended in another way); status.restored counts what came back. It is not deleted by itself. Deleting it deletes no data.
 */
export interface Restore {
  apiVersion: "holdfast.dev/v1alpha1";
  kind: "Restore";
  metadata: ObjectMeta;
  spec: RestoreSpec;
  status?: RestoreStatus;
}
/**
 * What is brought back and where to. Only cancel can be changed; for another try create another Restore.
 */
export interface RestoreSpec {
  /**
   * Which snapshot of which repository.
   */
  source: {
    /**
     * Name of the Repository, in the same namespace.
     */
    repository: string;
    /**
     * Name of the Host the snapshot was made on. It need not exist any more. Unset: the host in target.hostRef.
     */
    hostName?: string;
    /**
     * Name of the BackupPolicy of this namespace that made the snapshot. It need not exist any more. Needed with latest; for a snapshot of another namespace give its id instead.
     */
    policy?: string;
    /**
     * What of the policy's; files is all that its spec.files names. Default files.
     */
    source?: string;
    /**
     * Which one: latest, or an id of 8 to 64 hexadecimal digits as status.snapshots of a BackupRun and restic snapshots show it. Default latest.
     */
    snapshot?: string;
    /**
     * With latest, the newest snapshot that is not later than this, as RFC 3339, for example 2026-01-31T12:00:00Z. Unset: the newest of all.
     */
    before?: string;
  };
  /**
   * Where to, on which host.
   */
  target: {
    /**
     * Name of the Host, in the same namespace, that restores. It need not be the one that was backed up.
     */
    hostRef: string;
    /**
     * Absolute path of a folder on the host, made where it is missing, for example /var/lib/holdfast/restore/www. It must lie in the host's restore roots (by default /var/lib/holdfast/restore), which only the host's administrator can change (--restore-root).
     */
    path: string;
  };
  /**
   * Bring back only what matches one of these restic patterns, for example /srv/data/customers. One that begins with a slash counts from the root of the snapshot; any other matches anywhere in it. Not together with exclude. Unset: everything.
   */
  include?: string[];
  /**
   * Leave out what matches one of these restic patterns, for example *.log. Not together with include.
   */
  exclude?: string[];
  /**
   * Folders of the snapshot and where each goes. Unset: everything goes below target.path under its full path, /srv/www to target.path/srv/www.
   *
   * Items: One folder, for example from: /srv/www, to: /var/lib/holdfast/restore/www.
   */
  pathMapping?: {
    /**
     * Absolute path of a folder in the snapshot, for example /srv/www.
     */
    from: string;
    /**
     * Absolute path of the folder on the host that its content goes to. It must lie below target.path.
     */
    to: string;
  }[];
  /**
   * What happens to files that are there already: Never leaves them, Always replaces them, IfChanged replaces those of another size or time, IfNewer those that are older than in the snapshot. Default Never.
   */
  overwrite?: "Always" | "IfChanged" | "IfNewer" | "Never";
  /**
   * True lets restic read again what it has written and compare it with the snapshot. Files that were there already and were kept are not compared. It takes about as long again. Default false.
   */
  verify?: boolean;
  /**
   * True lets restic only say what it would do; nothing is written. Default false.
   */
  dryRun?: boolean;
  /**
   * A restore that takes longer than this is stopped and Failed with reason Timeout: a duration from 1m to 744h, for example 90m or 6h. Default 24h.
   */
  timeout?: string;
  /**
   * How long it waits for a host that is not connected, in seconds from its creation, before it fails with DeadlineExceeded. Default 3600, one hour; at most 604800, a week.
   */
  startingDeadlineSeconds?: number;
  /**
   * Bandwidth limits of this restore. Where host, policy and run or restore each set a limit, the smallest one applies.
   */
  limits?: {
    /**
     * Upload limit in KiB per second (1 KiB is 1024 bytes), for example 2048 for 2 MiB per second. Unset means unlimited.
     */
    uploadKiBps?: number;
    /**
     * Download limit in KiB per second (1 KiB is 1024 bytes), for example 2048 for 2 MiB per second. Unset means unlimited.
     */
    downloadKiBps?: number;
  };
  /**
   * True stops the restore; it ends as Cancelled. What was written stays. It cannot be taken back. Default false.
   */
  cancel?: boolean;
}
/**
 * What became of it, as the agent reports it.
 */
export interface RestoreStatus {
  /**
   * The metadata.generation this status was computed from; a smaller number than the resource's own means that the operator has not come to the newest change yet.
   */
  observedGeneration?: number;
  /**
   * Ready=True: it succeeded. Stalled=True: it ended in another way. Reconciling=True: it has not ended.
   */
  conditions?: Condition[];
  /**
   * Where it is: Pending (not yet with the agent), Queued (behind other work on the host), Running, then one of Succeeded, PartiallyFailed (done, but for some files), Failed, Cancelled and Skipped (never begun), which are final. Unknown: the agent has been out of reach for 5 minutes, while it goes on by itself. Default Pending.
   */
  phase?:
    "Pending" | "Queued" | "Running" | "Succeeded" | "PartiallyFailed" | "Failed" | "Cancelled" | "Skipped" | "Unknown";
  /**
   * Why it is in this phase, in one word. docs/errors.md says of each what to do.
   */
  reason?: string;
  /**
   * Why it is in this phase and what to do about it, in a sentence.
   */
  message?: string;
  /**
   * When the agent began with the attempt that counts.
   */
  startTime?: string;
  /**
   * When it ended; absent until then.
   */
  completionTime?: string;
  /**
   * The exit code of restic's last process: 0 for success, 3 for unread files. Absent where restic never ran.
   */
  exitCode?: number;
  /**
   * How often the agent has tried it, the last try included. Absent where the operator, not the agent, says how it ended.
   */
  attempts?: number;
  /**
   * The last 2048 bytes at most of restic's log, without secrets. The whole log is on the host, and the operator shows it (README, See a run's log).
   */
  logTail?: string;
  /**
   * How far it is. Written when it begins and then at most every 30 seconds.
   */
  progress?: {
    /**
     * Share of the bytes that is done, in percent, from 0 to 100.
     */
    percent?: number;
    /**
     * Number of files restored so far.
     */
    filesDone?: number;
    /**
     * Number of files found so far. restic still counts while it works, so it may grow.
     */
    totalFiles?: number;
    /**
     * Bytes restored so far.
     */
    bytesDone?: number;
    /**
     * Bytes found so far. restic still counts while it works, so they may grow.
     */
    totalBytes?: number;
    /**
     * restic's estimate of the time left, in seconds.
     */
    secondsRemaining?: number;
    /**
     * Number of files that could not be read or written so far.
     */
    errors?: number;
    /**
     * The path of a file that restic is working on now.
     */
    currentFile?: string;
  };
  /**
   * Texts for the columns of kubectl get. For people only; programs read the other fields.
   */
  display?: {
    /**
     * What was done and how long it took, how far it is, the reason, or the host it is on.
     */
    result?: string;
    /**
     * The first 8 digits of the snapshot's id.
     */
    snapshot?: string;
  };
  /**
   * restic's id of the snapshot that was chosen.
   */
  snapshotID?: string;
  /**
   * What was brought back; in a dry run, what would have been.
   */
  restored?: {
    /**
     * Number of files and folders that were written.
     */
    files?: number;
    /**
     * Number of files that were there already and were left as they are.
     */
    filesSkipped?: number;
    /**
     * Bytes of the files that were written.
     */
    bytes?: number;
    /**
     * Bytes of the files that were there already and were left as they are.
     */
    bytesSkipped?: number;
    /**
     * Number of files that could not be written; status.logTail names them.
     */
    errors?: number;
  };
}
