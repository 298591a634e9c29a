// Generated from crds/*.yaml by `npm run generate`. Do not edit.
import type { Condition, ObjectMeta } from "./meta.ts";

/**
 * A machine whose agent makes backups. Created when an agent enrols with an EnrollmentToken, or beforehand (from Git) and then claimed by the first agent that enrols under its name. Deleting a Host revokes its agent; it deletes nothing in a repository.
 */
export interface Host {
  apiVersion: "holdfast.dev/v1alpha1";
  kind: "Host";
  metadata: ObjectMeta;
  spec: HostSpec;
  status?: HostStatus;
}
/**
 * What is wanted of the host.
 */
export interface HostSpec {
  /**
   * True stops scheduled backups on this host until it is set back. Slots that pass meanwhile are not made up. Manual runs and restores still work.
   */
  paused?: boolean;
  /**
   * True closes the agent's session within seconds and refuses its credential from then on. To let the machine back in, enrol it again with a token that names this host and has reenroll set.
   */
  revoked?: boolean;
  /**
   * Bandwidth limits of the host. The smallest of host, policy and run applies.
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
}
/**
 * What is known of the host.
 */
export interface HostStatus {
  /**
   * The metadata.generation this status was computed from.
   */
  observedGeneration?: number;
  /**
   * Ready sums up the host. Connected: its agent holds a session. ConfigApplied: the agent has the newest configuration on disk. ClockInSync: its clock is within 5 minutes of the operator's. IdentityConflict: two machines use one identity. ResultsRejected: Kubernetes refuses results of this host.
   */
  conditions?: Condition[];
  /**
   * What the agent said of itself when it connected.
   */
  agent?: {
    /**
     * Version of the agent.
     */
    version?: string;
    /**
     * Version of restic, empty where there is none.
     */
    restic?: string;
    /**
     * Operating system, for example linux.
     */
    os?: string;
    /**
     * Processor architecture, for example x64.
     */
    arch?: string;
    /**
     * The machine's own hostname. restic puts it into its locks.
     */
    hostname?: string;
    /**
     * Version of the kernel.
     */
    kernel?: string;
    /**
     * Version of the agent protocol.
     */
    protocol?: number;
    /**
     * How the agent is run.
     */
    installedAs?: "Process" | "Service" | "DaemonSet";
    /**
     * What this build of the agent can do beyond the protocol's minimum.
     */
    capabilities?: string[];
  };
  /**
   * The agent's present session, or its last one.
   */
  session?: {
    /**
     * Rises with each session; commands of an older epoch are refused by the agent.
     */
    epoch?: number;
    /**
     * The operator replica that holds the connection.
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
     * When the session ended, once that was longer ago than the reconnect grace.
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
   * When the connection last changed. Written on transitions only.
   */
  lastSeenTime?: string;
  /**
   * Ids of the configuration the operator wants and of the one the agent has. Equal means in force.
   */
  config?: {
    /**
     * Id of the configuration that the resources ask for.
     */
    desired?: string;
    /**
     * Id of the configuration on the agent's disk.
     */
    applied?: string;
  };
  /**
   * The policies that select this host and how each last went.
   *
   * Items: One policy on this host.
   */
  policies?: {
    /**
     * Name of the BackupPolicy.
     */
    name: string;
    /**
     * Name of its newest BackupRun.
     */
    lastRun?: string;
    /**
     * Phase of that run.
     */
    lastPhase?: string;
    /**
     * When a run last succeeded.
     */
    lastSuccessfulTime?: string;
    /**
     * When the agent starts it next.
     */
    nextScheduleTime?: string;
  }[];
}
