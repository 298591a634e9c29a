// Generated from crds/*.yaml by `npm run generate`. Do not edit.
import type { Condition, ObjectMeta } from "./meta.ts";

/**
 * One restic repository: where it is and how to open it. Deleting the resource never deletes data.
 */
export interface Repository {
  apiVersion: "holdfast.dev/v1alpha1";
  kind: "Repository";
  metadata: ObjectMeta;
  spec: RepositorySpec;
  status?: RepositoryStatus;
}
/**
 * Where the repository is and how to open it.
 */
export interface RepositorySpec {
  /**
   * Where restic finds the repository, in restic's own notation: rest:https://host/path/, s3:https://host/bucket/path, azure:container:/path, gs:bucket:/path, b2:bucket:path, sftp:user@host:/path or /mnt/disk/repo on the host itself. Credentials do not belong here, use envFrom and passwordFrom.
   */
  url: string;
  /**
   * Where the repository's password comes from. Keep a copy of it elsewhere, without it no data can be read.
   */
  passwordFrom: {
    /**
     * A key of a Secret in this namespace. It is sent to the agents whose policies use the repository.
     */
    secretKeyRef?: {
      /**
       * Name of the Secret, in the same namespace.
       */
      name: string;
      /**
       * Key in the Secret's data.
       */
      key: string;
    };
    /**
     * Read on the host itself, so that the cluster never knows it: env:RESTIC_PASSWORD or env:HOLDFAST_SECRET_x from the agent's environment, file:/etc/holdfast/secrets.d/x from a file.
     */
    host?: string;
  };
  /**
   * Secrets whose keys become restic's environment: RESTIC_REST_USERNAME and RESTIC_REST_PASSWORD, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and so on. The agent takes only the names that belong to the url's scheme.
   *
   * Items: One Secret.
   */
  envFrom?: {
    /**
     * The Secret, in the same namespace.
     */
    secretRef: {
      /**
       * Name of the Secret.
       */
      name: string;
    };
  }[];
  /**
   * How the server's certificate is checked.
   */
  tls?: {
    /**
     * Certificate authorities in PEM that replace the system's for this repository.
     */
    caFrom?: {
      /**
       * A key of a Secret in this namespace, for example ca.crt.
       */
      secretKeyRef: {
        /**
         * Name of the Secret, in the same namespace.
         */
        name: string;
        /**
         * Key in the Secret's data.
         */
        key: string;
      };
    };
  };
  /**
   * True lets the operator have one agent create the repository where there is none. Once its id is known (status.repositoryID) it is never created again, whatever happens to it.
   */
  initialize?: boolean;
}
/**
 * What is known of the repository.
 */
export interface RepositoryStatus {
  /**
   * The metadata.generation this status was computed from.
   */
  observedGeneration?: number;
  /**
   * Ready=True: an agent has opened the repository and its id is pinned. Stalled=True: only a change by you can help.
   */
  conditions?: Condition[];
  /**
   * The repository's own id, pinned when it was first opened. Another id at the same address stops every backup to it.
   */
  repositoryID?: string;
  /**
   * The one host whose agent opens the repository and may create it. Two at once would break it for ever, so the choice stays until that Host is revoked or deleted, or the annotation holdfast.dev/initializer names another.
   */
  initializer?: {
    /**
     * Name of the Host.
     */
    hostRef?: string;
    /**
     * UID of that Host.
     */
    hostUID?: string;
  };
  /**
   * How the last try to open it went.
   */
  lastOpen?: {
    /**
     * When it ended.
     */
    time?: string;
    /**
     * Host it was tried from.
     */
    hostRef?: string;
    /**
     * How it ended, or Running while restic still tries.
     */
    phase?: "Succeeded" | "Failed" | "Running";
    /**
     * Why, in one word.
     */
    reason?: string;
    /**
     * Why, in a sentence.
     */
    message?: string;
    /**
     * Whether this try created the repository.
     */
    created?: boolean;
    /**
     * The generation of the spec that was tried.
     */
    observedGeneration?: number;
    /**
     * Hash of the versions of the Secrets that were tried, so that a changed one is tried at once.
     */
    secretVersions?: string;
  };
}
