import type { Reason } from "#protocol/outcome.ts";
import type { Explanation } from "./explanation.ts";

const BOTH = "BackupRun, Restore";
const OPENING = "Repository; BackupRun, Restore: Failed";
const BACKUP = "BackupRun: Failed";
const RESTORE = "Restore: Failed";

/** The reasons that agents give, and the operator where no agent can. */
export const OUTCOMES: Readonly<Record<Reason, Explanation>> = {
  Completed: [`${BOTH}: Succeeded`, "It is done.", ""],
  UnreadFiles: [
    "BackupRun: PartiallyFailed",
    "The snapshot exists without the files in `status.unreadFiles`.",
    "Give the agent the right to read them, or exclude them in `files.exclude` of the policy.",
  ],
  Overlap: [
    "BackupRun: Skipped",
    "The run before, named in the message, was still active when this one was due.",
    "Make the schedule wider or the backup smaller.",
  ],
  HostOffline: [
    `${BOTH}: Pending, Unknown`,
    "The host's agent is not connected. What was not begun waits until `startingDeadlineSeconds`; what was goes on there.",
    "Look at the agent on the host: `systemctl status holdfast-agent`, `holdfast-agent health-check`.",
  ],
  DeadlineExceeded: [
    `${BOTH}: Failed`,
    "It could not start within `startingDeadlineSeconds`; the message says what it waited for.",
    "Mend that, then create it again, with a longer `startingDeadlineSeconds` where hosts are away for long.",
  ],
  Timeout: [
    `${BOTH}: Failed`,
    "It took longer than `timeout` and was stopped.",
    "Raise `timeout`, or look at what slows it down.",
  ],
  Cancelled: [`${BOTH}: Cancelled`, "`spec.cancel` was set.", ""],
  Interrupted: [
    `${BOTH}: Failed`,
    "The agent or restic ended in mid-run (a kill, a crash, a reboot), and no snapshot of this run is there.",
    "A backup is tried again once by itself. Create a Restore again; what it has brought back already is kept.",
  ],
  Lost: [
    `${BOTH}: Failed`,
    "The agent has been away for longer than the run may take, or its Host was deleted.",
    "Look at the host. If the agent comes back, its real result replaces this one.",
  ],
  HostRefused: [
    `${BOTH}: Failed; Repository`,
    "The host does not take it: a rule of its own forbids it (a path, a kind of repository, a variable), and the message names the flag; or restic cannot read a pattern; or its agent does not hold the policy.",
    "Write what the host allows and what restic can read, or have the host's administrator allow it: nothing in the cluster can. Check that the policy selects the host and is Ready.",
  ],
  PathMissing: [BACKUP, "A path of the policy is not there.", "Mount or create it, or correct `files.paths`."],
  NotMountpoint: [
    BACKUP,
    "A path is not a mount point, and `files.requireMountpoint` is set.",
    "Mount its file system, or unset `files.requireMountpoint`.",
  ],
  TooFewFiles: [
    BACKUP,
    "The paths hold fewer files than `files.minFiles`.",
    "Find out where the files went before you lower it.",
  ],
  SecretMissing: [
    "Repository; BackupRun, Restore: Failed",
    "A Secret, a key in it, or the password on the host is not there or cannot be used.",
    "Create or correct what the message names; it is looked for again by itself.",
  ],
  RepositoryUnreachable: [
    OPENING,
    "Nothing answers, or the server's certificate is not accepted.",
    "Check the server, the network and `tls.caFrom`; it is tried again by itself.",
  ],
  RepositoryAccessDenied: [
    OPENING,
    "The server answers 401 or 403.",
    "Correct the user and password in the Secret named in `envFrom`, or the user's rights on the server.",
  ],
  RepositoryFull: [OPENING, "The server or disk has no room left.", "Make room, or enlarge it."],
  RepositoryLocked: [
    OPENING,
    "Another restic holds a lock that excludes this one.",
    "Wait; a lock that was left behind is removed with `restic unlock`.",
  ],
  RepositoryMissing: [
    OPENING,
    "There was a repository, its id is pinned, and now there is none. It is never created again by itself.",
    "Bring it back: mount the disk, start the server on the right folder, correct `url`.",
  ],
  RepositoryNotInitialized: [
    OPENING,
    "There is no repository at `url`, and `initialize` is false.",
    "Set `initialize: true`, or correct `url`.",
  ],
  RepositoryMismatch: [
    OPENING,
    "Another repository is at the address than the one whose id is pinned.",
    "Correct `url`; if it is meant, delete the Repository resource and create it again.",
  ],
  RepositoryBroken: [
    OPENING,
    "There are keys, but no config: two programs initialised it at once, or its config was lost.",
    "Restore the file `config` from a copy; or empty the location if it never held a backup.",
  ],
  WrongPassword: [
    OPENING,
    "The password opens no key of the repository.",
    "Correct the Secret, or the host's file or variable, in `passwordFrom`; it is tried again by itself.",
  ],
  ResticMissing: [
    `${BOTH}: Failed; Repository`,
    "There is no restic of a supported version on the host.",
    "Install restic 0.19 there, or name its path with `--restic`.",
  ],
  ResticFailed: [
    `${BOTH}: Failed; Repository`,
    "restic ended with an error that has no reason of its own.",
    'Read `status.logTail`, then the whole log (README, "See a run\'s log").',
  ],
  SnapshotNotFound: [
    RESTORE,
    "No snapshot fits the Restore; the message says what was looked for.",
    "List the snapshots with `restic snapshots`; correct `source`, or choose a later `before`.",
  ],
  NothingMatched: [
    RESTORE,
    "The snapshot has nothing that `include` or `pathMapping.from` names.",
    "A pattern that begins with a slash counts from the root, for example `/srv/www/x`; correct `include` or `pathMapping.from`, and list the snapshot with `restic ls`.",
  ],
  TargetInvalid: [
    RESTORE,
    "The target cannot be restored to: it is a file, has too little room, or a mapped folder lies outside it.",
    "Choose another `target.path`, or do what the message says.",
  ],
  AgentError: [
    `${BOTH}: Failed; Host: ConfigApplied=False`,
    "The agent could not carry it out, for example because its disk is full.",
    "Read the message, then the agent's log on the host.",
  ],
};
