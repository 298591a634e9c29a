// Generated from crds/*.yaml by `npm run generate`. Do not edit.
import type { Condition, ObjectMeta } from "./meta.ts";

/**
 * Permission to enrol machines. The operator makes a Secret (status.secretRef) with the token, the address, the pin of the operator's certificate authority and the command to run on the machine.
 */
export interface EnrollmentToken {
  apiVersion: "holdfast.dev/v1alpha1";
  kind: "EnrollmentToken";
  metadata: ObjectMeta;
  spec: EnrollmentTokenSpec;
  status?: EnrollmentTokenStatus;
}
/**
 * Who may enrol with it, how often and for how long. It cannot be changed; create another one instead.
 */
export interface EnrollmentTokenSpec {
  /**
   * How long the token works after its creation, 1m to 24h. Default 1h.
   */
  ttl?: string;
  /**
   * How many machines may enrol with it, 1 to 1000. Default 1.
   */
  maxUses?: number;
  /**
   * The only Host name that may enrol with it. Unset takes the name from the machine's hostname.
   */
  hostName?: string;
  /**
   * True lets a machine take over the Host in hostName although that has an agent already, for example after the machine was installed anew. Host, history and repository are kept; the old credential stops working.
   */
  reenroll?: boolean;
  /**
   * Labels put on the Hosts that enrol with it, for the selectors of BackupPolicies.
   */
  hostLabels?: {
    [k: string]: string;
  };
}
/**
 * What became of it.
 */
export interface EnrollmentTokenStatus {
  /**
   * The metadata.generation this status was computed from.
   */
  observedGeneration?: number;
  /**
   * Ready=True with reason Usable: it can be used now. Ready=True with reason Used: it has done its work. Ready=False with reason Expired: create another one.
   */
  conditions?: Condition[];
  /**
   * The Secret with the keys token, server, pin and command.
   */
  secretRef?: {
    /**
     * Name of the Secret, in the same namespace.
     */
    name?: string;
  };
  /**
   * When it stops working.
   */
  expiresAt?: string;
  /**
   * How many machines have enrolled with it.
   */
  uses?: number;
  /**
   * The Hosts that enrolled with it.
   *
   * Items: One enrolment.
   */
  hosts?: {
    /**
     * Name of the Host.
     */
    name: string;
    /**
     * SHA-256 of the agent's credential. A repeated request with the same hash is the same enrolment.
     */
    credentialHash: string;
    /**
     * When it enrolled.
     */
    time?: string;
  }[];
}
