/** Phases of everything that runs once (BackupRun, Restore), in the order of a life. */
export const PHASES = [
  "Pending",
  "Queued",
  "Running",
  "Succeeded",
  "PartiallyFailed",
  "Failed",
  "Cancelled",
  "Skipped",
  "Unknown",
] as const;
export type Phase = (typeof PHASES)[number];

export const TERMINAL_PHASES = ["Succeeded", "PartiallyFailed", "Failed", "Cancelled", "Skipped"] as const;
export type TerminalPhase = (typeof TERMINAL_PHASES)[number];

export function isTerminal(phase: string | undefined): phase is TerminalPhase {
  return TERMINAL_PHASES.some((terminal) => terminal === phase);
}

/**
 * Why a run is in its phase: the `reason` of a BackupRun, a Restore and of the conditions made from them. Each is
 * explained in hack/gen/errors, of which docs/errors.md is made.
 */
export const Reason = {
  Completed: "Completed",
  UnreadFiles: "UnreadFiles",
  Overlap: "Overlap",
  HostOffline: "HostOffline",
  DeadlineExceeded: "DeadlineExceeded",
  Timeout: "Timeout",
  Cancelled: "Cancelled",
  Interrupted: "Interrupted",
  Lost: "Lost",
  HostRefused: "HostRefused",
  PathMissing: "PathMissing",
  NotMountpoint: "NotMountpoint",
  TooFewFiles: "TooFewFiles",
  SecretMissing: "SecretMissing",
  RepositoryUnreachable: "RepositoryUnreachable",
  RepositoryAccessDenied: "RepositoryAccessDenied",
  RepositoryFull: "RepositoryFull",
  RepositoryLocked: "RepositoryLocked",
  RepositoryMissing: "RepositoryMissing",
  RepositoryNotInitialized: "RepositoryNotInitialized",
  RepositoryMismatch: "RepositoryMismatch",
  RepositoryBroken: "RepositoryBroken",
  WrongPassword: "WrongPassword",
  ResticMissing: "ResticMissing",
  ResticFailed: "ResticFailed",
  SnapshotNotFound: "SnapshotNotFound",
  NothingMatched: "NothingMatched",
  TargetInvalid: "TargetInvalid",
  AgentError: "AgentError",
} as const;
export type Reason = (typeof Reason)[keyof typeof Reason];

/** Why an agent keeps the configuration it has: the `reason` of a Host's condition ConfigApplied. */
export type ConfigRefusal = "AgentError" | "PolicyLost" | "RepositoryUnknown" | "ScheduleInvalid" | "WrongHost";

/** Why a result was set aside on the host instead of being written, where that is not an error code. */
export type SetAside = "forbidden" | "malformed" | "too_large" | "unexpected";
