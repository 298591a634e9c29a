/**
 * Every code a HoldfastError can have. One that is not listed here does not compile, and neither does one that
 * hack/gen/errors does not explain: docs/errors.md is made from both.
 */
export type ErrorCode = AgentCode | OperatorCode | KubeCode | HttpCode | ToolCode;

/** Of the agent: its command line's last words, or the code in a line of its log. */
export type AgentCode =
  | "agent/bad-path"
  | "agent/bad-tag"
  | "agent/bad-value"
  | "agent/no-private-folder"
  | "agent/not-enrolled"
  | "agent/refused-by-host"
  | "agent/restic-answer"
  | "agent/secret-missing"
  | "agent/snapshot-not-found"
  | "agent/target-invalid"
  | "cli/no-state"
  | "cli/usage"
  | "enroll/agent-runs"
  | "enroll/bad-answer"
  | "enroll/not-holdfast"
  | "enroll/pin-mismatch"
  | "enroll/refused"
  | "enroll/token-file"
  | "enroll/token-file-open"
  | "enroll/token-malformed"
  | "enroll/unreachable"
  | "state/key"
  | "state/newer-schema"
  | "state/sealed";

/** Of the operator, in its log. */
export type OperatorCode =
  | "api/duration"
  | "installation/broken"
  | "kube/config"
  | "kube/foreign-field"
  | "kube/no-secret-cache"
  | "kube/reconcile-deadline"
  | "kube/shutdown-deadline"
  | "kube/started"
  | "operator/config"
  | "operator/listen";

/** What the Kubernetes API server answered the operator, in its log. */
export type KubeCode =
  | "kube/already-exists"
  | "kube/bad-request"
  | "kube/bad-response"
  | "kube/conflict"
  | "kube/forbidden"
  | "kube/gone"
  | "kube/internal"
  | "kube/invalid"
  | "kube/not-found"
  | "kube/timeout"
  | "kube/too-large"
  | "kube/too-many-requests"
  | "kube/unauthorized"
  | "kube/unavailable"
  | "kube/unreachable";

/** Codes in the operator's HTTP answers, with the status of each. */
export interface HttpStatus {
  agent_too_old: 501;
  bad_request: 400;
  busy: 503;
  credential_malformed: 401;
  credential_unknown: 401;
  forbidden: 403;
  host_deleted: 409;
  host_exists: 409;
  host_invalid: 409;
  host_moved: 503;
  host_name_mismatch: 403;
  host_offline: 503;
  host_revoked: 403 | 503;
  host_slow: 503;
  hostname_invalid: 400;
  internal: 500;
  log_missing: 404;
  log_shorter: 416;
  malformed: 400;
  not_found: 404;
  replica_unreachable: 503;
  starting: 503;
  stopping: 503;
  token_expired: 401;
  token_malformed: 400;
  token_not_ready: 503;
  token_unknown: 401;
  token_used: 401;
  too_many_requests: 429;
  unauthorized: 401;
  unavailable: 503;
}
export type HttpCode = keyof HttpStatus;

/** Of the developers' tools in hack/ and of tests, which show the message and no code. */
type ToolCode =
  `${"bench" | "build" | "cluster" | "demo" | "fault-proxy" | "gen" | "kubectl" | "profile" | "rest-server" | "stage" | "test" | "tools"}/${string}`;
