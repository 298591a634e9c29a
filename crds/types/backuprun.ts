// Generated from crds/*.yaml by `npm run generate`. Do not edit.
import type { Condition, ObjectMeta } from "./meta.ts";

/**
 * One execution of a BackupPolicy on one Host. Create one to run a policy now; those of schedules are created by the operator when the agent reports them. Wait for its end with kubectl wait on condition Ready (it succeeded) or Stalled (it ended in another way).
 */
export interface BackupRun {
  apiVersion: "holdfast.dev/v1alpha1";
  kind: "BackupRun";
  metadata: ObjectMeta;
  spec: BackupRunSpec;
  status?: BackupRunStatus;
}
/**
 * What is run where. Only cancel can be changed.
 */
export interface BackupRunSpec {
  /**
   * Name of the BackupPolicy, in the same namespace.
   */
  policyRef: string;
  /**
   * Name of the Host; the policy must select it.
   */
  hostRef: string;
  /**
   * The id in the snapshot's tag run=. Set by the operator; a manual run's is its UID.
   */
  runID?: string;
  /**
   * What started it. Leave it out. CatchUp is a run whose slot was missed.
   */
  trigger?: "Manual" | "Schedule" | "CatchUp";
  /**
   * The slot of a scheduled run.
   */
  scheduledTime?: string;
  /**
   * How long it waits for a host that is offline before it fails. Default 3600, one hour.
   */
  startingDeadlineSeconds?: number;
  /**
   * What is different from the policy in this run.
   */
  overrides?: {
    /**
     * Bandwidth limits. The smallest of host, policy and run applies.
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
     * Tags in place of the policy's.
     */
    tags?: string[];
    /**
     * True lets restic only say what it would do. Nothing is saved and it does not count as a success.
     */
    dryRun?: boolean;
  };
  /**
   * True stops the run. It cannot be taken back.
   */
  cancel?: boolean;
}
/**
 * What became of it.
 */
export interface BackupRunStatus {
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
   * What was carried out, as it stood when the run was queued on the host.
   */
  effective?: {
    /**
     * Id of the agent's configuration.
     */
    configID?: string;
    /**
     * Name of the Repository.
     */
    repository?: string;
    /**
     * The paths, at most 16 of them.
     */
    paths?: string[];
  };
  /**
   * The snapshots it saved.
   *
   * Items: One snapshot.
   */
  snapshots?: {
    /**
     * restic's id of it.
     */
    id: string;
    /**
     * What is in it, for example files.
     */
    source: string;
    /**
     * Files that were not in the snapshot before.
     */
    filesNew?: number;
    /**
     * Files that had changed.
     */
    filesChanged?: number;
    /**
     * Files that had not.
     */
    filesUnmodified?: number;
    /**
     * All files.
     */
    totalFiles?: number;
    /**
     * All bytes.
     */
    totalBytes?: number;
    /**
     * Bytes added to the repository, compressed.
     */
    dataAddedBytes?: number;
  }[];
  /**
   * Files that could not be read. The snapshot exists without them.
   */
  unreadFiles?: {
    /**
     * How many.
     */
    count?: number;
    /**
     * The first ones.
     */
    first?: string[];
  };
}
