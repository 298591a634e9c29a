import type { EventReason, FailingReason } from "../../../operator/controllers/reasons.ts";
import type { Explanation } from "./explanation.ts";

const BOTH = "BackupPolicy, Host";
const SEE_RUN = "Do what the message says; `kubectl describe` of the BackupRun says more.";
const SEE_RESTORE = "Do what the message says, then create another Restore.";

/** The reasons of Events that no condition has. */
export const EVENTS: Readonly<Record<EventReason | FailingReason, Explanation>> = {
  AgentRolledBack: [
    "Host",
    "The machine was set back to an earlier state of itself, a snapshot of a virtual machine for example.",
    "Nothing, if you did that. Else find out who did.",
  ],
  BackupFailed: [BOTH, "A run of the policy failed on the host.", SEE_RUN],
  BackupIncomplete: [BOTH, "A run left out files that could not be read; the snapshot exists without them.", SEE_RUN],
  BackupRecovered: [BOTH, "The policy has succeeded on the host again.", ""],
  BackupSkipped: [BOTH, "A run was due while the one before was still active.", SEE_RUN],
  BackupsOnTime: ["BackupPolicy", "No host of the policy is overdue any more.", ""],
  BackupsOverdue: [
    "BackupPolicy",
    "Hosts have had no success in the last two slots of the schedule.",
    "Look whether their agents run; `kubectl describe host` says how each policy goes there.",
  ],
  Enrolled: ["EnrollmentToken", "A machine has enrolled with the token.", "If you do not know of it, revoke the Host."],
  Overdue: [
    "BackupPolicy: `status.failing`",
    "The host has had no success in the last two slots of the schedule, and no run says why.",
    "Look whether its agent runs.",
  ],
  Pinned: [
    "Repository",
    "The repository's id is known from now on; another one at its address is refused.",
    "Keep a copy of its password elsewhere.",
  ],
  Recovered: ["Host, Repository, BackupPolicy, EnrollmentToken", "It is ready again.", ""],
  RestoreCancelled: ["Restore", "The Restore was cancelled. What was written stays.", ""],
  RestoreFailed: ["Restore", "The Restore failed. What was written before stays.", SEE_RESTORE],
  RestoreIncomplete: ["Restore", "The Restore left files out.", SEE_RESTORE],
  RestoreSkipped: ["Restore", "The Restore did not begin.", SEE_RESTORE],
  RestoreSucceeded: ["Restore", "The Restore is done.", ""],
  RunNameTaken: [
    "BackupPolicy",
    "A BackupRun has the name of a requested run and is another one.",
    "Delete it and request again.",
  ],
  RunRequestRefused: [
    "BackupPolicy",
    "The value of the annotation holdfast.dev/run-requested-at cannot be a request.",
    'Use the time as the value: `"$(date +%s)"`.',
  ],
  RunRequestWithoutHosts: [
    "BackupPolicy",
    "A run was requested of a policy that selects no host.",
    "See NoHosts, then request again with a new value.",
  ],
  TokenUsedUp: [
    "EnrollmentToken",
    "A machine has enrolled with the token, and it was the last one that could.",
    "If you do not know of it, revoke the Host. For further machines create another EnrollmentToken.",
  ],
};
