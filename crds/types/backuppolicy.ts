// Generated from crds/*.yaml by `npm run generate`. Do not edit.
import type { Condition, ObjectMeta } from "./meta.ts";

/**
 * What is backed up, on which hosts, where to and when. Each selected Host runs it by itself, also while the operator or the whole cluster is away, and reports every run as a BackupRun. Next: wait until it is ready with kubectl wait backuppolicy/NAME --for=condition=Ready; run it now with a BackupRun; bring data back with a Restore. Deleting it stops its schedule and deletes its BackupRuns, those that you created a day after their end; it deletes nothing in a repository.
 */
export interface BackupPolicy {
  apiVersion: "holdfast.dev/v1alpha1";
  kind: "BackupPolicy";
  metadata: ObjectMeta;
  spec: BackupPolicySpec;
  status?: BackupPolicyStatus;
}
/**
 * What is backed up, on which hosts, where to and when. A change reaches connected hosts within seconds, the others when they are back.
 */
export interface BackupPolicySpec {
  /**
   * The Hosts that carry it out, in the same namespace. With both names and selector it is all that either one matches. Revoked Hosts are left out.
   */
  hosts: {
    /**
     * Names of Hosts, for example web-1. One that does not exist is named in condition Ready; the others are served.
     */
    names?: string[];
    /**
     * Selects Hosts by their labels. All of matchLabels and matchExpressions must hold. An empty selector, {}, means every Host of the namespace.
     */
    selector?: {
      /**
       * Labels that a Host must have, all of them, for example role: web.
       */
      matchLabels?: {
        [k: string]: string;
      };
      /**
       * Further requirements on the labels, all of which must hold.
       *
       * Items: One requirement, for example key: stage, operator: In, values: [production].
       */
      matchExpressions?: {
        /**
         * Key of the label, for example role or example.com/stage.
         */
        key: string;
        /**
         * How the label is compared. In: its value is one of values. NotIn: it is none of them, or the label is missing. Exists and DoesNotExist: the label is there, or not, with any value.
         */
        operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
        /**
         * The values for In and NotIn. Exists and DoesNotExist take none.
         */
        values?: string[];
      }[];
    };
  };
  /**
   * Where the snapshots go. The runs wait until it is Ready.
   */
  repository: {
    /**
     * Kind of the resource. Repository is the only one. Default Repository.
     */
    kind?: "Repository";
    /**
     * Name of the Repository, in the same namespace.
     */
    name: string;
  };
  /**
   * What is backed up. One run makes one snapshot of all paths together.
   */
  files: {
    /**
     * Absolute paths of files and folders on the host, for example /etc. Folders are saved with everything below them. A path that is missing makes the run fail. The agent's own folders, and what the host's --backup-root does not allow, are refused.
     */
    paths: string[];
    /**
     * Fail, instead of saving a snapshot, where the paths hold fewer files than this. It catches an emptied or unmounted source before it counts as a good backup. Unset: not counted.
     */
    minFiles?: number;
    /**
     * True makes the run fail where a path is not a mount point. For disks and shares that may be absent. Default false.
     */
    requireMountpoint?: boolean;
    /**
     * What to leave out, as restic's exclude patterns: *.tmp for a name anywhere, /var/cache for one folder, /home/* /.cache for many.
     */
    exclude?: string[];
    /**
     * Leave out every folder that holds a file of one of these names, for example .nobackup.
     */
    excludeIfPresent?: string[];
    /**
     * True leaves out folders that programs have marked as caches by a CACHEDIR.TAG file. Default false.
     */
    excludeCaches?: boolean;
    /**
     * Leave out files larger than this many bytes, for example 1073741824 for 1 GiB. Unset: no limit.
     */
    excludeLargerThanBytes?: number;
    /**
     * True keeps out of other file systems that are mounted below the paths. Set it for a path like /, or /proc and network mounts are saved too. Default false.
     */
    oneFileSystem?: boolean;
  };
  /**
   * When it runs, as a cron line of five fields: minute, hour, day of month, month, day of week; for example "30 2 * * MON-FRI". A capital H stands for a value that is fixed for each policy and host but differs between them, so "H 2 * * *" spreads a fleet over the hour after two, and H(0-5) means one hour from 0 to 5. @hourly, @daily, @weekly, @monthly and @yearly work too. Unset: only manual runs.
   */
  schedule?: string;
  /**
   * IANA name of the time zone in which the schedule is read, for example Europe/Berlin. Default UTC.
   */
  timeZone?: string;
  /**
   * Start up to this much after the slot, by an amount that is fixed for each policy and host: a duration from 0s to 24h, for example 10m. Unset: start at the slot.
   */
  jitter?: string;
  /**
   * True stops the schedule on every host. Slots that pass meanwhile are not made up. Manual runs still work. Default false.
   */
  suspend?: boolean;
  /**
   * How late, in seconds after its slot, a run may start that was missed because the machine was off. Unset: as long as the interval of the schedule. At most one missed run is made up, however many were missed. 0: none.
   */
  startingDeadlineSeconds?: number;
  /**
   * What happens when a run is due while another one of the same policy is active on the host. Forbid, the only choice: it does not start and is recorded as Skipped. Default Forbid.
   */
  concurrencyPolicy?: "Forbid";
  /**
   * A run that takes longer than this is stopped and Failed with reason Timeout: a duration from 1m to 744h, for example 90m or 6h. Default 24h.
   */
  timeout?: string;
  /**
   * How often a run is tried again after a failure that can pass, such as an unreachable repository. The pauses begin at 10 seconds and double up to 10 minutes. Default 2; 0 means one try only.
   */
  retries?: number;
  /**
   * Bandwidth limits of this policy's runs on each host. Where host, policy and run or restore each set a limit, the smallest one applies.
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
   * Further tags for the snapshots, beside the operator's own, for example nightly. Find them again with restic snapshots --tag.
   */
  tags?: string[];
  /**
   * Options of restic. Leave them unset unless you have measured.
   */
  restic?: {
    /**
     * How hard restic compresses: off, fastest, auto, better or max, from quick and large to slow and small. Unset is restic's own choice, auto.
     */
    compression?: "auto" | "off" | "fastest" | "better" | "max";
    /**
     * Size of restic's pack files in MiB. Larger ones make fewer files in the repository. Unset is restic's own choice, 16.
     */
    packSizeMiB?: number;
    /**
     * How many files restic reads at once. More helps fast disks and hurts slow ones. Unset is restic's own choice, 2.
     */
    readConcurrency?: number;
    /**
     * True saves no snapshot where nothing has changed since the last one. The run still succeeds. Default false.
     */
    skipIfUnchanged?: boolean;
  };
  /**
   * How many succeeded BackupRuns of each host are kept. Older ones are deleted, the newest ten that you asked for an hour after their end at the earliest; snapshots are not touched. Default 3.
   */
  successfulRunsHistoryLimit?: number;
  /**
   * How many BackupRuns of each host are kept that ended in another way than success. Older ones are deleted, the newest ten that you asked for an hour after their end at the earliest; snapshots are not touched. Default 1.
   */
  failedRunsHistoryLimit?: number;
}
/**
 * How it goes over all its hosts, as the operator sees it.
 */
export interface BackupPolicyStatus {
  /**
   * The metadata.generation this status was computed from; a smaller number than the resource's own means that the operator has not come to the newest change yet.
   */
  observedGeneration?: number;
  /**
   * Ready=True: it is valid, selects hosts and its repository is ready. Ready=False says why not. Reconciling=True: that will pass by itself. Stalled=True: only a change by you can help.
   */
  conditions?: Condition[];
  /**
   * Counts of hosts. What only changes for a moment is written at most every 10 seconds.
   */
  hosts?: {
    /**
     * Number of Hosts that it selects.
     */
    selected?: number;
    /**
     * Of these, the Hosts whose agent has its newest configuration on disk.
     */
    applied?: number;
    /**
     * Hosts whose newest ended run succeeded.
     */
    succeeded?: number;
    /**
     * Hosts whose newest ended run did not succeed; the first of them are in status.failing.
     */
    failing?: number;
    /**
     * Hosts without a success in the last two slots of the schedule, from an hour after the second of them, or from the slot after it where that comes sooner.
     */
    overdue?: number;
    /**
     * Hosts on which it runs now.
     */
    running?: number;
  };
  /**
   * The newest slot of the schedule of which a run is known.
   */
  lastScheduleTime?: string;
  /**
   * When a run last succeeded on any host.
   */
  lastSuccessfulTime?: string;
  /**
   * When it runs next on any host; absent where no agent keeps a schedule of it.
   */
  nextScheduleTime?: string;
  /**
   * The first 20 Hosts whose newest run did not succeed, or that are overdue (reason Overdue).
   *
   * Items: One host whose newest run did not succeed.
   */
  failing?: {
    /**
     * Name of the Host.
     */
    host: string;
    /**
     * Name of the BackupRun; its status says more, if it still exists.
     */
    run?: string;
    /**
     * Why it did not succeed, in one word. docs/errors.md says of each what to do.
     */
    reason?: string;
  }[];
  /**
   * Texts for the columns of kubectl get. For people only; programs read the other fields.
   */
  display?: {
    /**
     * Hosts that are well and hosts it selects, for example 4/5.
     */
    ok?: string;
    /**
     * The time of the next run in minutes, Manual where there is no schedule, Paused where all its hosts are, NeverConnected where no agent of those that are not has come yet, or the reason of Ready where that says that something is wrong or Suspended.
     */
    next?: string;
  };
  /**
   * The value of the annotation holdfast.dev/run-requested-at that was last acted on. Any new value starts a run on every selected host: kubectl annotate --overwrite backuppolicy/NAME holdfast.dev/run-requested-at="$(date +%s)".
   */
  lastHandledRunRequest?: string;
}
