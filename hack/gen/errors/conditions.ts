import type { ConfigRefusal, Reason } from "#protocol/outcome.ts";
import type { OwnReason } from "../../../operator/controllers/reasons.ts";
import type { Explanation } from "./explanation.ts";

/** The reasons of conditions beside those of outcomes. */
export const CONDITIONS: Readonly<Record<OwnReason | Exclude<ConfigRefusal, Reason>, Explanation>> = {
  Applied: ["Host: ConfigApplied=True", "The agent has its newest configuration on disk.", ""],
  ConfigTooLarge: [
    "Host: Ready=False, ConfigApplied=False",
    "More policies select the host than it can carry out, or what they say does not fit into one message. It keeps what it has.",
    "Let fewer policies select it, or shorten their lists of paths and patterns.",
  ],
  Connected: ["Host: Ready=True, Connected=True", "The agent is connected.", ""],
  CredentialWithdrawn: [
    "Host: Revoked=True",
    "The credential of a revoked Host was withdrawn for good; `spec.revoked` may be set back now.",
    "",
  ],
  Disconnected: [
    "Host: Ready=False, Connected=False",
    "The agent is away. While it runs, its schedules go on without the operator; the message says where it was stopped.",
    "Look at the agent on the host, and at the network between.",
  ],
  DuplicateRepository: [
    "Repository: Stalled=True",
    "Another Repository is the same one, by its url or its id, and was opened before or is older.",
    "Delete this one and use the other; no data is deleted by that.",
  ],
  Expired: [
    "EnrollmentToken: Ready=False",
    "The token's time was over before it was used up.",
    "Create another EnrollmentToken.",
  ],
  HostNotFound: [
    "BackupRun, Restore: Failed",
    "There is no Host of this name in the namespace.",
    "Correct the name, or enrol the machine, and create it again.",
  ],
  HostNotSelected: [
    "BackupRun: Failed",
    "The policy does not select this Host.",
    "Name one of its hosts, or extend `spec.hosts` of the policy.",
  ],
  HostRevoked: ["BackupRun, Restore: Failed", "The Host has `spec.revoked`.", "Enrol its machine again first."],
  HostsNotFound: [
    "BackupPolicy: Ready=False",
    "`spec.hosts.names` names Hosts that are not there. The others are served; the message names them.",
    "Correct the names, or enrol the machines.",
  ],
  IdentityConflict: [
    "Host: Stalled=True, Event; BackupRun, Restore: Pending",
    "Two machines use this host's identity: one is a clone of the other. Neither gets secrets or commands; their schedules go on.",
    "Enrol the clone under a name of its own; then enrol the first one again with a token that says `reenroll`.",
  ],
  InSync: ["Host: ClockInSync=True", "The host's clock agrees with the operator's.", ""],
  InvalidSchedule: [
    "BackupPolicy: Stalled=True",
    "The schedule or the time zone cannot be kept: a day that no month has, an unknown zone.",
    "Write what the message says.",
  ],
  NeverConnected: [
    "Host: Ready=False",
    "No agent has connected under this Host yet.",
    "Run the command in the Secret of an EnrollmentToken on the machine, then `holdfast-agent run`.",
  ],
  NoHosts: [
    "BackupPolicy: Ready=False",
    "No Host is selected.",
    "Enrol one with fitting `hostLabels`, or label a Host with `kubectl label`.",
  ],
  OpenFailed: [
    "Repository: Ready=False",
    "It could not be opened, and the agent gave no reason.",
    "Read the agent's log on the host that the message names.",
  ],
  Opened: ["Repository: Ready=True", "An agent has opened it, and its id is pinned.", ""],
  Opening: ["Repository: Ready=False", "An agent is opening it.", "Wait; it says within a minute what is wrong."],
  Paused: [
    "Host: Ready=True",
    "`spec.paused` is set. Scheduled backups are stopped and not made up; manual runs still work.",
    "Set `spec.paused` to false.",
  ],
  Pending: [
    "Host: ConfigApplied=False",
    "The newest configuration is on its way to the agent.",
    "Wait. Where it stays so while the host is connected, read the agent's log.",
  ],
  PolicyInvalid: [
    "BackupRun: Failed",
    "The BackupPolicy has a schedule or time zone that no agent would take.",
    "Correct the policy, then create another BackupRun.",
  ],
  PolicyLost: [
    "Host: ConfigApplied=False",
    "The new configuration would drop a policy without saying so, and the agent keeps the old one.",
    "This is a bug of the operator: please report it.",
  ],
  PolicyNotFound: [
    "BackupRun: Failed",
    "`spec.policyRef` names no BackupPolicy of the namespace.",
    "Create another BackupRun with the right name.",
  ],
  Ready: ["BackupPolicy: Ready=True", "It is valid, selects hosts, and its repository is ready.", ""],
  Reenrolled: [
    "Host: Connected=False",
    "The Host was enrolled again, and its new agent has not connected yet.",
    "Start the agent on the machine: `holdfast-agent run`.",
  ],
  Refused: [
    "Host: ResultsRejected=True",
    "Kubernetes refuses results of this host for good; the agent keeps them.",
    "The message has the API server's words; `holdfast-agent dump-state` shows the results.",
  ],
  ReplicaGone: [
    "Host: Connected=Unknown",
    "The operator replica that held the connection stopped, and the agent has not come back.",
    "Look whether the agent runs and reaches the operator.",
  ],
  RepositoryNotFound: [
    "BackupPolicy: Ready=False; BackupRun: Pending; Restore: Failed",
    "The Repository that is named is not in the namespace. A run waits for it, a Restore fails.",
    "Create it, or correct the name.",
  ],
  RepositoryNotReady: [
    "BackupPolicy: Ready=False; BackupRun, Restore: Pending",
    "The Repository cannot be used yet; the message has its own reason.",
    "Look here under that reason.",
  ],
  RepositoryUnknown: [
    "Host: ConfigApplied=False",
    "A policy in the new configuration names a repository that is not in it, and the agent keeps the old one.",
    "This is a bug of the operator: please report it.",
  ],
  ResultsRejected: [
    "Host: Ready=False",
    "Kubernetes refuses results of this host for good; condition ResultsRejected says more.",
    "See Refused.",
  ],
  Revoked: [
    "Host: Stalled=True, Connected=False",
    "`spec.revoked` is set, or was and the machine has not been enrolled again: the agent's credential does not hold any more.",
    "The agent goes on with its schedules, unseen, until somebody stops it on the machine; where that may be in other hands, change the password and the server's user of its repositories. To let the machine back in, wait for condition Revoked, set `spec.revoked` to false and enrol it with a token for this Host that has `reenroll`.",
  ],
  ScheduleInvalid: [
    "Host: ConfigApplied=False",
    "The agent cannot keep the schedule of a policy, for example because its release knows fewer time zones.",
    "Update the agent, or write another schedule or time zone.",
  ],
  SecondMachine: [
    "Host: IdentityConflict=True",
    "A second machine shows this host's identity.",
    "See IdentityConflict.",
  ],
  SecretExists: [
    "EnrollmentToken: Stalled=True",
    "The Secret the token is to be put into is there and not the operator's.",
    "Delete it, or give the EnrollmentToken another name.",
  ],
  Skewed: [
    "Host: ClockInSync=False, Ready=False",
    "The host's clock is more than 5 minutes off; its schedules fire by its own clock.",
    "Set up time synchronisation on the host.",
  ],
  Suspended: [
    "BackupPolicy: Ready=True",
    "`spec.suspend` is set. Its schedule is not kept; manual runs still work.",
    "Set `spec.suspend` to false.",
  ],
  Usable: ["EnrollmentToken: Ready=True", "Machines can enrol with it.", "Run the command in its Secret on a machine."],
  Used: [
    "EnrollmentToken: Ready=True",
    "The token was used as often as it may be.",
    "For further machines create another EnrollmentToken.",
  ],
  WaitingForHost: [
    "Repository: Ready=False",
    "No connected host is there to open it.",
    "Use it in a BackupPolicy whose host is connected, or start the agent that the message names.",
  ],
  WrongHost: [
    "Host: ConfigApplied=False",
    "The agent was sent the configuration of another Host, and keeps what it has.",
    "This is a bug of the operator: please report it.",
  ],
};
