// Generated from crds/*.yaml by `npm run generate`. Do not edit.
import type { Condition, ObjectMeta } from "./meta.ts";

/**
 * Permission to enrol machines. The operator answers with a Secret (status.secretRef) that holds the token and the command to run on the machine. Next: kubectl get secret holdfast-token-NAME --output=jsonpath={.data.command} | base64 --decode shows the command; run it on the machine with the Secret's token on standard input, and a Host appears. Deleting an EnrollmentToken ends the permission; Hosts that enrolled with it stay.
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
   * How long the token works after its creation: a duration from 1m to 24h, for example 30m. Default 1h.
   */
  ttl?: string;
  /**
   * How many machines may enrol with it, 1 to 1000. Default 1.
   */
  maxUses?: number;
  /**
   * The only Host name that may enrol with it, for example web-1. Unset: each machine's hostname becomes its Host name.
   */
  hostName?: string;
  /**
   * True lets a machine take over the Host in hostName although that has an agent already, for example after the machine was installed anew. Host, history and repository are kept; the old agent's credential stops working. Default false.
   */
  reenroll?: boolean;
  /**
   * Labels put on the Hosts that enrol with it, for the selectors of BackupPolicies, for example role: web.
   */
  hostLabels?: {
    [k: string]: string;
  };
}
/**
 * What became of it, and where the token is.
 */
export interface EnrollmentTokenStatus {
  /**
   * The metadata.generation this status was computed from; a smaller number than the resource's own means that the operator has not come to the newest change yet.
   */
  observedGeneration?: number;
  /**
   * Ready=True with reason Usable: it can be used now. Ready=True with reason Used: it has done its work. Ready=False with reason Expired: create another one.
   */
  conditions?: Condition[];
  /**
   * The Secret with the keys token, server, pin and command. It is deleted together with the EnrollmentToken. Where Ready is False with reason SecretExists, it is somebody else's Secret that stands in the way, and is never touched.
   */
  secretRef?: {
    /**
     * Name of the Secret, in the same namespace.
     */
    name?: string;
  };
  /**
   * When it stops working, whether it was used or not.
   */
  expiresAt?: string;
  /**
   * How many machines have enrolled with it so far. Default 0.
   */
  uses?: number;
  /**
   * The Hosts that enrolled with it, and when.
   *
   * Items: One enrolment of one machine.
   */
  hosts?: {
    /**
     * Name of the Host that the machine became.
     */
    name: string;
    /**
     * SHA-256 of the agent's credential. A repeated request with the same hash is the same enrolment.
     */
    credentialHash: string;
    /**
     * When the machine enrolled.
     */
    time?: string;
  }[];
}
