// Generated from crds/*.yaml by `npm run generate`. Do not edit.
import type { Condition, ObjectMeta } from "./meta.ts";

/**
 * One restic repository: where it is and how to open it. The first connected host of a BackupPolicy that uses it opens it, and creates it where initialize is true. Next: name it in spec.repository of a BackupPolicy and wait with kubectl wait repository/NAME --for=condition=Ready. Deleting the resource never deletes data; restic reads the repository without Holdfast.
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
   * Where restic finds the repository, in restic's own notation, for example rest:https://backup.example.com/web/. Others are s3:https://host/bucket/path, azure:container:/path, gs:bucket:/path, b2:bucket:path, swift:container:/path, sftp:user@host:/path, rclone:remote:path, and /mnt/disk/repo on the host itself. Credentials do not belong here, use envFrom and passwordFrom. Hosts allow sftp, rclone and local paths only where their administrator has said so (--repository-scheme).
   */
  url: string;
  /**
   * Where the repository's password comes from: secretKeyRef or host, one of the two. Keep a copy of it elsewhere: without it no data can be read, by nobody. A changed Secret is noticed within six minutes, and at once after a run or a restore has failed over it.
   */
  passwordFrom: {
    /**
     * A key of a Secret in this namespace. It is sent to the agents whose policies or restores use the repository, and to no others.
     */
    secretKeyRef?: {
      /**
       * Name of the Secret, in the same namespace.
       */
      name: string;
      /**
       * Key in the Secret's data, for example password. A line break at its end is not part of the password.
       */
      key: string;
    };
    /**
     * Where each host itself has the password, so that the cluster never knows it: in a variable of the agent, for example env:RESTIC_PASSWORD or env:HOLDFAST_SECRET_OFFSITE, or in a file, for example file:/etc/holdfast/secrets.d/offsite.
     */
    host?: string;
  };
  /**
   * Secrets whose keys become restic's environment: RESTIC_REST_USERNAME and RESTIC_REST_PASSWORD, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and so on. A name that does not belong to the url's scheme is refused (HostRefused); a key that cannot be a variable, such as ca.crt, is passed over. Of two Secrets with the same key the later one counts.
   *
   * Items: One Secret whose keys are taken.
   */
  envFrom?: {
    /**
     * The Secret, in the same namespace.
     */
    secretRef: {
      /**
       * Name of the Secret, in the same namespace.
       */
      name: string;
    };
  }[];
  /**
   * How the server's certificate is checked. Unset: by the certificate authorities of each host's system.
   */
  tls?: {
    /**
     * Certificate authorities in PEM that replace the system's for this repository, for a server with a certificate of your own.
     */
    caFrom?: {
      /**
       * A key of a Secret in this namespace that holds the certificates.
       */
      secretKeyRef: {
        /**
         * Name of the Secret, in the same namespace.
         */
        name: string;
        /**
         * Key in the Secret's data, for example ca.crt.
         */
        key: string;
      };
    };
  };
  /**
   * True lets the operator have one agent create the repository where there is none, once a BackupPolicy uses it; for a Restore alone none is created. Once its id is known (status.repositoryID) it is never created again, whatever happens to it. Default false.
   */
  initialize?: boolean;
}
/**
 * What is known of the repository, found out by the one host that opens it.
 */
export interface RepositoryStatus {
  /**
   * The metadata.generation this status was computed from; a smaller number than the resource's own means that the operator has not come to the newest change yet.
   */
  observedGeneration?: number;
  /**
   * Ready=True: an agent has opened the repository and its id is pinned. Ready=False says why not. Reconciling=True: it is tried again by itself. Stalled=True: only a change by you can help.
   */
  conditions?: Condition[];
  /**
   * The repository's own id, pinned when it was first opened. Another id at the same address stops every backup to it. It never changes; to accept another repository, delete the resource and create it again.
   */
  repositoryID?: string;
  /**
   * Texts for the columns of kubectl get. For people only; programs read the other fields.
   */
  display?: {
    /**
     * The first 8 digits of the repository's own id.
     */
    id?: string;
  };
  /**
   * The one host whose agent opens the repository and may create it. Two at once would break it for ever, so the choice stays until that Host is revoked or deleted, or the annotation holdfast.dev/initializer names another.
   */
  initializer?: {
    /**
     * Name of the Host.
     */
    hostRef?: string;
    /**
     * UID of that Host, which tells it from a later one of the same name.
     */
    hostUID?: string;
  };
  /**
   * How the last try to open it went.
   */
  lastOpen?: {
    /**
     * When the last try ended, or last told how it goes.
     */
    time?: string;
    /**
     * Name of the Host it was tried from.
     */
    hostRef?: string;
    /**
     * How it ended, Succeeded or Failed; or Running while restic still tries.
     */
    phase?: "Succeeded" | "Failed" | "Running";
    /**
     * Why, in one word. docs/errors.md says of each what to do.
     */
    reason?: string;
    /**
     * Why, in a sentence, with what to do about it.
     */
    message?: string;
    /**
     * True where this try created the repository.
     */
    created?: boolean;
    /**
     * The metadata.generation of the spec that was tried.
     */
    observedGeneration?: number;
    /**
     * Hash of the versions of the Secrets that were tried, so that a changed one is tried at once. It says nothing of their values.
     */
    secretVersions?: string;
  };
}
