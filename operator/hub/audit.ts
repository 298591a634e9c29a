import type { Log } from "../kube/log.ts";
import type { KubeObject } from "../kube/resource.ts";

/** What is written into the audit trail; never a value of a secret. */
export type AuditAction =
  | "token-used"
  | "host-created"
  | "credential-written"
  | "credential-revoked"
  | "session-accepted"
  | "identity-conflict"
  | "run-created"
  | "repository-pinned"
  | "command-delivered"
  | "credentials-delivered";

/**
 * One line for each action that changes state or hands out something. Who asked for it stands in the API server's own
 * audit log, under the same uid and resourceVersion.
 */
export function audit(log: Log, action: AuditAction, object: KubeObject, more: object = {}): void {
  const { namespace, name, uid, resourceVersion } = object.metadata;
  log.info({ audit: action, kind: object.kind, namespace, name, uid, resourceVersion, ...more }, "audit");
}
