import type { ConfigRefusal, Reason } from "#protocol/outcome.ts";

/**
 * The `reason` of a condition the operator writes. One that is not listed here does not compile; neither does one that
 * hack/gen/errors does not explain, of which docs/errors.md is made.
 */
export type ConditionReason = Reason | ConfigRefusal | OwnReason;

/** Those that no agent gives. */
export type OwnReason =
  | "Applied"
  | "ConfigTooLarge"
  | "Connected"
  | "CredentialWithdrawn"
  | "Disconnected"
  | "DuplicateRepository"
  | "Expired"
  | "HostNotFound"
  | "HostNotSelected"
  | "HostRevoked"
  | "HostsNotFound"
  | "IdentityConflict"
  | "InSync"
  | "InvalidSchedule"
  | "NeverConnected"
  | "NoHosts"
  | "OpenFailed"
  | "Opened"
  | "Opening"
  | "Paused"
  | "Pending"
  | "PolicyInvalid"
  | "PolicyNotFound"
  | "Ready"
  | "Reenrolled"
  | "Refused"
  | "ReplicaGone"
  | "RepositoryNotFound"
  | "RepositoryNotReady"
  | "ResultsRejected"
  | "Revoked"
  | "SecondMachine"
  | "SecretExists"
  | "Skewed"
  | "Suspended"
  | "Usable"
  | "Used"
  | "WaitingForHost";

/** The `reason` of an Event that is not a condition's too. */
export type EventReason =
  | "AgentRolledBack"
  | "BackupFailed"
  | "BackupIncomplete"
  | "BackupRecovered"
  | "BackupSkipped"
  | "BackupsOnTime"
  | "BackupsOverdue"
  | "Enrolled"
  | "Pinned"
  | "Recovered"
  | "RestoreCancelled"
  | "RestoreFailed"
  | "RestoreIncomplete"
  | "RestoreSkipped"
  | "RestoreSucceeded"
  | "RunNameTaken"
  | "RunRequestRefused"
  | "RunRequestWithoutHosts"
  | "TokenUsedUp";

/** Why a Host is in status.failing of a BackupPolicy where no run gave a reason. */
export type FailingReason = "Overdue";
