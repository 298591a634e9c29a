// Generated from crds/*.yaml by `npm run generate`. Do not edit.
import type { Condition, ObjectMeta } from "./meta.ts";

/**
 * What is backed up, on which hosts, where to and when. Each selected host runs it by itself, also while the operator or the whole cluster is away. Deleting it stops its schedules and deletes its BackupRuns; it deletes nothing in a repository.
 */
export interface BackupPolicy {
  apiVersion: "holdfast.dev/v1alpha1";
  kind: "BackupPolicy";
  metadata: ObjectMeta;
  spec: BackupPolicySpec;
  status?: BackupPolicyStatus;
}
/**
 * What is backed up, on which hosts, where to and when.
 */
export interface BackupPolicySpec {
  /**
   * The hosts that carry it out. With both names and selector it is all that either one matches.
   */
  hosts: {
    /**
     * Names of Hosts.
     */
    names?: string[];
    /**
     * Hosts by their labels. An empty selector means every Host of the namespace.
     */
    selector?: {
      /**
       * Labels a Host must have, all of them.
       */
      matchLabels?: {
        [k: string]: string;
      };
      /**
       * Further requirements, all of which must hold.
       *
       * Items: One requirement.
       */
      matchExpressions?: {
        /**
         * Key of the label.
         */
        key: string;
        /**
         * How the label is compared.
         */
        operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
        /**
         * The values for In and NotIn.
         */
        values?: string[];
      }[];
    };
  };
  /**
   * Where the snapshots go.
   */
  repository: {
    /**
     * Kind of the resource.
     */
    kind?: "Repository";
    /**
     * Name of the Repository, in the same namespace.
     */
    name: string;
  };
  /**
   * What is backed up.
   */
  files: {
    /**
     * Absolute paths of files and folders on the host. A path that is missing makes the run fail.
     */
    paths: string[];
    /**
     * Fail, instead of saving a snapshot, where the paths hold fewer files than this. It catches an emptied or unmounted source before it counts as a good backup.
     */
    minFiles?: number;
    /**
     * Fail where a path is not a mount point. For disks and shares that may be absent.
     */
    requireMountpoint?: boolean;
    /**
     * restic's exclude patterns, for example *.tmp or /var/cache.
     */
    exclude?: string[];
    /**
     * Leave out folders that hold a file of this name, for example .nobackup.
     */
    excludeIfPresent?: string[];
    /**
     * Leave out folders marked by a CACHEDIR.TAG file.
     */
    excludeCaches?: boolean;
    /**
     * Leave out files larger than this many bytes.
     */
    excludeLargerThanBytes?: number;
    /**
     * Do not go into other file systems mounted below the paths.
     */
    oneFileSystem?: boolean;
  };
  /**
   * When it runs, as a cron line of five fields: minute, hour, day of month, month, day of week. H stands for a value that is fixed for each policy and host but differs between them, so "H 2 * * *" spreads a fleet over the hour after two. @hourly, @daily, @weekly, @monthly and @yearly work too. Unset: only manual runs.
   */
  schedule?: string;
  /**
   * IANA name of the time zone of the schedule, for example Europe/Berlin. Default UTC.
   */
  timeZone?: string;
  /**
   * Start up to this much after the slot, by an amount that is fixed for each policy and host, for example 10m. Default none.
   */
  jitter?: string;
  /**
   * True stops the schedule. Slots that pass meanwhile are not made up. Manual runs still work.
   */
  suspend?: boolean;
  /**
   * How late a run may start that was missed because the machine was off. Unset: as long as the interval of the schedule. At most one missed run is made up, however many were missed.
   */
  startingDeadlineSeconds?: number;
  /**
   * A run never starts while another one of the same policy is active on the host; it is recorded as Skipped.
   */
  concurrencyPolicy?: "Forbid";
  /**
   * A run that takes longer is cancelled and Failed, for example 90m or 6h. Default 24h.
   */
  timeout?: string;
  /**
   * How often a run is tried again after a failure that can pass, such as an unreachable repository. Default 2.
   */
  retries?: number;
  /**
   * Bandwidth limits of the policy. The smallest of host, policy and run applies.
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
   * Further tags for the snapshots.
   */
  tags?: string[];
  /**
   * Options of restic.
   */
  restic?: {
    /**
     * How hard restic compresses. Unset is restic's default, auto.
     */
    compression?: "auto" | "off" | "fastest" | "better" | "max";
    /**
     * Size of restic's pack files in MiB.
     */
    packSizeMiB?: number;
    /**
     * How many files restic reads at once.
     */
    readConcurrency?: number;
    /**
     * Save no snapshot where nothing has changed since the last one. The run still succeeds.
     */
    skipIfUnchanged?: boolean;
  };
  /**
   * How many succeeded BackupRuns of each host are kept. Snapshots are not touched. Default 3.
   */
  successfulRunsHistoryLimit?: number;
  /**
   * How many other ended BackupRuns of each host are kept. Default 1.
   */
  failedRunsHistoryLimit?: number;
}
/**
 * How it goes.
 */
export interface BackupPolicyStatus {
  /**
   * The metadata.generation this status was computed from.
   */
  observedGeneration?: number;
  /**
   * Ready=True: it is valid, selects hosts and its repository is ready. Stalled=True: only a change by you can help.
   */
  conditions?: Condition[];
  /**
   * Counts of hosts. Written at most every 10 seconds.
   */
  hosts?: {
    /**
     * Hosts it selects.
     */
    selected?: number;
    /**
     * Of these, hosts that have the newest configuration on disk.
     */
    applied?: number;
    /**
     * Hosts whose newest ended run succeeded.
     */
    succeeded?: number;
    /**
     * Hosts whose newest ended run did not succeed.
     */
    failing?: number;
    /**
     * Hosts without a successful run for longer than two intervals of the schedule.
     */
    overdue?: number;
    /**
     * Hosts on which it runs now.
     */
    running?: number;
  };
  /**
   * The newest slot of which a run is known.
   */
  lastScheduleTime?: string;
  /**
   * When a run last succeeded on any host.
   */
  lastSuccessfulTime?: string;
  /**
   * When it runs next on any host.
   */
  nextScheduleTime?: string;
  /**
   * The first hosts whose newest run did not succeed.
   *
   * Items: One host.
   */
  failing?: {
    /**
     * Name of the Host.
     */
    host: string;
    /**
     * Name of the BackupRun.
     */
    run?: string;
    /**
     * Why it did not succeed.
     */
    reason?: string;
  }[];
  /**
   * The value of the annotation holdfast.dev/run-requested-at that was last acted on. Any new value starts a run on every selected host.
   */
  lastHandledRunRequest?: string;
}
