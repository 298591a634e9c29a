// Generated from crds/*.yaml by `npm run generate`. Do not edit.
import type { Condition, ObjectMeta } from "./meta.ts";

/**
 * One execution of a BackupPolicy on one Host. Create one to run a policy now; those of schedules are created by the operator when the agent reports them. Next: wait for its end with kubectl wait backuprun/NAME --for=condition=Ready (it succeeded) or --for=condition=Stalled (it ended in another way); status.message says why. The policy's history limits delete it later; its snapshot stays. Deleting it does not stop it: set spec.cancel first, and delete it when it has ended.
 */
export interface BackupRun {
  apiVersion: "holdfast.dev/v1alpha1";
  kind: "BackupRun";
  metadata: ObjectMeta;
  spec: BackupRunSpec;
  status?: BackupRunStatus;
}
/**
 * What is run where. Only cancel can be changed; for another run create another BackupRun.
 */
export interface BackupRunSpec {
  /**
   * Name of the BackupPolicy, in the same namespace.
   */
  policyRef: string;
  /**
   * Name of the Host, in the same namespace. The policy must select it.
   */
  hostRef: string;
  /**
   * The id in the tag run= of the snapshot, for example 0e6a3c1d-6f0e-5d0b-9d7e-2a8f6f1c0b11. Set by the operator for runs of a schedule; a manual run has none, its id is the UID of the resource.
   */
  runID?: string;
  /**
   * What started it: Manual (you created it), Schedule (a slot), or CatchUp (a slot that was missed). The operator sets the latter two; leave it out. Default Manual.
   */
  trigger?: "Manual" | "Schedule" | "CatchUp";
  /**
   * The slot of a scheduled run, as RFC 3339, for example 2026-01-31T02:00:00Z. Set by the operator.
   */
  scheduledTime?: string;
  /**
   * How long it waits for a host that is not connected, in seconds from its creation, before it fails with DeadlineExceeded. Default 3600, one hour; at most 604800, a week.
   */
  startingDeadlineSeconds?: number;
  /**
   * What is different from the policy in this run alone.
   */
  overrides?: {
    /**
     * Bandwidth limits of this run. Where host, policy and run or restore each set a limit, the smallest one applies.
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
     * Tags in place of the policy's, for example before-upgrade. The operator's own tags stay.
     */
    tags?: string[];
    /**
     * True lets restic only say what it would do. Nothing is saved, and it does not count as a success of the policy. Unset means false.
     */
    dryRun?: boolean;
  };
  /**
   * True stops the run; it ends as Cancelled and saves no snapshot. It cannot be taken back. Default false.
   */
  cancel?: boolean;
}
/**
 * What became of it, as the agent reports it.
 */
export interface BackupRunStatus {
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
     * Share of the bytes that restic has read, in percent, from 0 to 100. What it has read it still has to upload: 99 may stand for long where the upload is slow or limited.
     */
    percent?: number;
    /**
     * Number of files read so far.
     */
    filesDone?: number;
    /**
     * Number of files found so far. restic still counts while it works, so it may grow.
     */
    totalFiles?: number;
    /**
     * Bytes read so far.
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
   * What was carried out, as it stood when the run was queued on the host. Later changes of the policy do not touch it.
   */
  effective?: {
    /**
     * Id of the agent's configuration at that time, as in status.config of the Host.
     */
    configID?: string;
    /**
     * Name of the Repository that was written to.
     */
    repository?: string;
    /**
     * The paths that were saved, at most the first 16 of them.
     */
    paths?: string[];
  };
  /**
   * The snapshots it saved. Name an id in the source of a Restore to bring one back.
   *
   * Items: One snapshot and what is in it.
   */
  snapshots?: {
    /**
     * restic's id of the snapshot, as restic snapshots shows it.
     */
    id: string;
    /**
     * What of the policy's is in it; files is all that spec.files names.
     */
    source: string;
    /**
     * Number of files that were not in the snapshot before.
     */
    filesNew?: number;
    /**
     * Number of files that had changed since the snapshot before.
     */
    filesChanged?: number;
    /**
     * Number of files that had not changed since the snapshot before.
     */
    filesUnmodified?: number;
    /**
     * Number of all files in the snapshot.
     */
    totalFiles?: number;
    /**
     * Bytes of all files in the snapshot, uncompressed.
     */
    totalBytes?: number;
    /**
     * Bytes that were added to the repository, compressed. Far less than totalBytes where little has changed.
     */
    dataAddedBytes?: number;
  }[];
  /**
   * Files that could not be read. The snapshot exists without them, and the phase is PartiallyFailed.
   */
  unreadFiles?: {
    /**
     * How many files could not be read.
     */
    count?: number;
    /**
     * Paths of the first 10 of them at most. Give the agent the right to read them, or exclude them in the policy.
     */
    first?: string[];
  };
}
