// Generated from crds/*.yaml by `npm run generate`. Do not edit.
import type { Condition, ObjectMeta } from "./meta.ts";

/**
 * A machine whose agent makes backups. It is created when an agent enrols with an EnrollmentToken; or create it beforehand (from Git) and the first agent that enrols under its name gets it. Next: name it in spec.hosts of a BackupPolicy, or label it with kubectl label so that a selector finds it. Deleting a Host revokes its agent; it deletes nothing in a repository.
 */
export interface Host {
  apiVersion: "holdfast.dev/v1alpha1";
  kind: "Host";
  metadata: ObjectMeta;
  spec: HostSpec;
  status?: HostStatus;
}
/**
 * What is wanted of the host, whatever the policies say.
 */
export interface HostSpec {
  /**
   * True stops scheduled backups on this host until it is set back. Slots that pass meanwhile are not made up. Manual runs and restores still work. Default false.
   */
  paused?: boolean;
  /**
   * True closes the agent's session within seconds and withdraws its credential for good; condition Revoked says when that is done, and only then can it be set back to false. To let the machine back in, set it to false and enrol the machine again with a token that names this host and has reenroll set. The agent keeps its last configuration and goes on with its schedules, unseen, until somebody stops it; where the machine may be in other hands, change the password and the server's user of its repositories too. Default false.
   */
  revoked?: boolean;
  /**
   * Bandwidth limits of everything that the agent does on this host. Where host, policy and run or restore each set a limit, the smallest one applies.
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
}
/**
 * What is known of the host. A connected agent keeps it current within seconds.
 */
export interface HostStatus {
  /**
   * The metadata.generation this status was computed from; a smaller number than the resource's own means that the operator has not come to the newest change yet.
   */
  observedGeneration?: number;
  /**
   * Ready sums up the host. Connected: its agent holds a session. ConfigApplied: the agent has the newest configuration on disk. ClockInSync: its clock is within 5 minutes of the operator's. IdentityConflict: two machines use one identity. ResultsRejected: Kubernetes refuses results of this host. Revoked: the credential was withdrawn.
   */
  conditions?: Condition[];
  /**
   * What the agent said of itself when it last connected.
   */
  agent?: {
    /**
     * Version of the agent.
     */
    version?: string;
    /**
     * Version of restic on the host, empty where there is none that the agent can use.
     */
    restic?: string;
    /**
     * Operating system of the machine, for example linux.
     */
    os?: string;
    /**
     * Processor architecture of the machine, for example x64.
     */
    arch?: string;
    /**
     * The machine's own hostname. restic puts it into its locks.
     */
    hostname?: string;
    /**
     * Version of the kernel that the machine runs.
     */
    kernel?: string;
    /**
     * Version of the agent protocol that it speaks.
     */
    protocol?: number;
    /**
     * How the agent is run: as a plain Process, a Service of the system, or a DaemonSet.
     */
    installedAs?: "Process" | "Service" | "DaemonSet";
    /**
     * What this build of the agent can do beyond the protocol's minimum.
     */
    capabilities?: string[];
  };
  /**
   * The agent's present session with the operator, or its last one.
   */
  session?: {
    /**
     * Number of the session. It rises with each one; commands of an older session are refused by the agent.
     */
    epoch?: number;
    /**
     * The operator replica that holds the connection; its log has the session.
     */
    replica?: string;
    /**
     * The kernel's boot id, which tells a restart of the agent from one of the machine.
     */
    bootID?: string;
    /**
     * When the session began.
     */
    connectedTime?: string;
    /**
     * When the session ended. Absent while it stands, and for a moment after it broke off.
     */
    disconnectedTime?: string;
    /**
     * SHA-256 of the nonce the agent is to show next; an older one means a clone or a rolled back machine.
     */
    nonce?: string;
    /**
     * SHA-256 of the nonce before, tolerated while the newer one is unconfirmed.
     */
    previousNonce?: string;
  };
  /**
   * When the connection last came or went. It does not move while the agent stays connected.
   */
  lastSeenTime?: string;
  /**
   * Ids of the configuration the operator wants and of the one the agent has. Equal means that the newest policies are in force.
   */
  config?: {
    /**
     * Id of the configuration that the resources ask for now.
     */
    desired?: string;
    /**
     * Id of the configuration on the agent's disk.
     */
    applied?: string;
  };
  /**
   * When a run of any policy last succeeded on it.
   */
  lastSuccessfulTime?: string;
  /**
   * Texts for the columns of kubectl get. For people only; programs read the other fields.
   */
  display?: {
    /**
     * Policies whose newest ended run succeeded and policies that select it, for example 2/2.
     */
    ok?: string;
    /**
     * The time of the next run in minutes, Manual where no policy has a schedule, Suspended, InvalidSchedule or RepositoryNotReady where none of them fires because of that, NoPolicy where none selects it, or the reason of Ready where that says that something is wrong or Paused.
     */
    next?: string;
  };
  /**
   * The policies that select this host and how each last went, at most 64.
   *
   * Items: One policy on this host.
   */
  policies?: {
    /**
     * Name of the BackupPolicy.
     */
    name: string;
    /**
     * Name of its newest BackupRun on this host that is no rehearsal; the history limits may have deleted that.
     */
    lastRun?: string;
    /**
     * Phase of that run, for example Succeeded.
     */
    lastPhase?: string;
    /**
     * When a run of it last succeeded on this host.
     */
    lastSuccessfulTime?: string;
    /**
     * When the agent starts it next; absent where it keeps no schedule of it.
     */
    nextScheduleTime?: string;
  }[];
}
