import type { AgentCode, KubeCode, OperatorCode } from "#base/error-codes.ts";
import type { Explanation } from "./explanation.ts";

const ENROL = "`enroll`";
const ANY = "any command";
const RUNS = "as reason HostRefused";
const BUG = "This is a bug of the operator: please report it.";
const RETRIED = "Nothing: it is tried again by itself.";

/** Of the agent. */
export const AGENT: Readonly<Record<AgentCode, Explanation>> = {
  "agent/bad-path": [
    RUNS,
    "A path is not absolute, holds `..`, or filters contradict each other.",
    "Write the path in full.",
  ],
  "agent/bad-tag": [RUNS, "A tag holds a comma.", "Write two tags instead."],
  "agent/bad-value": [RUNS, "A variable for restic holds a NUL byte.", "Correct it in the Secret named in `envFrom`."],
  "agent/no-private-folder": [
    "`run`",
    "The folder for secrets cannot be made the agent's alone.",
    "Remove what is there, or make its parent writable.",
  ],
  "agent/not-enrolled": [
    "`run`",
    "The state folder holds no identity.",
    "Enrol this machine: `holdfast-agent enroll`.",
  ],
  "agent/refused-by-host": [
    RUNS,
    "A rule of this host forbids it.",
    "The host's administrator can allow it with the flag that the message names.",
  ],
  "agent/restic-answer": ["as reason AgentError", "restic's answer cannot be read.", "Install restic 0.19."],
  "agent/secret-missing": [
    "as reason SecretMissing",
    "The password is to be on this host and is not there.",
    "Write it into the file or variable that the message names.",
  ],
  "agent/snapshot-not-found": [
    "as reason SnapshotNotFound",
    "No snapshot fits a Restore.",
    "Correct its `source`; list what there is with `restic snapshots`.",
  ],
  "agent/target-invalid": [
    "as reason TargetInvalid",
    "A Restore's target cannot be written to.",
    "Do what the message says.",
  ],
  "cli/no-state": ["`dump-state`", "There is no agent's state in this folder.", "Name its folder with `--state-dir`."],
  "cli/usage": [ANY, "There is no such command, flag or value.", "See `holdfast-agent COMMAND --help`."],
  "enroll/agent-runs": [
    ENROL,
    "An agent runs on this state folder.",
    "Stop it first: `systemctl stop holdfast-agent`.",
  ],
  "enroll/bad-answer": [
    ENROL,
    "What answers is no operator that this agent understands.",
    "Check `--server`, and the releases of agent and operator.",
  ],
  "enroll/not-holdfast": [ENROL, "What answers is no Holdfast operator.", "Check `--server`, and any proxy between."],
  "enroll/pin-mismatch": [
    ENROL,
    "The server does not hold the key that the pin names. Nothing was sent to it.",
    "Find out which server answers; or take the pin anew from the EnrollmentToken's Secret.",
  ],
  "enroll/refused": [ENROL, "The operator refuses the enrolment.", "Look here under the code in the message."],
  "enroll/token-file": [ENROL, "The token file cannot be read.", "Correct `--token-file`, or its rights."],
  "enroll/token-file-open": [
    ENROL,
    "Others on this machine can read the token file.",
    "`chmod 600` it; make a new token if others were on this machine.",
  ],
  "enroll/token-malformed": [
    ENROL,
    "What was given is no token.",
    "Copy it whole from the Secret named in `status.secretRef` of the EnrollmentToken.",
  ],
  "enroll/unreachable": [
    ENROL,
    "The operator does not answer.",
    "Check `--server` and the network, then run the same command again: it is the same enrolment.",
  ],
  "state/key": [
    ANY,
    "The key of the state folder is missing or damaged.",
    "Restore it from a copy, or remove the state folder and enrol again with a token that has `reenroll`.",
  ],
  "state/newer-schema": [ANY, "A newer agent has used this state folder.", "Install the newer agent again."],
  "state/sealed": [
    ANY,
    "A stored secret cannot be opened with the key of this state folder.",
    "Restore key and database from the same copy, or enrol again with a token that has `reenroll`.",
  ],
};

/** Of the operator. */
export const OPERATOR: Readonly<Record<OperatorCode, Explanation>> = {
  "api/duration": ["while it works", "A duration in a resource cannot be read.", "Update the CRDs: they refuse it."],
  "installation/broken": [
    "at start",
    "The Secret with the installation's keys is damaged.",
    "Restore it from your backup. Only where no agent was ever enrolled: delete it and restart the operator.",
  ],
  "kube/config": [
    "at start",
    "There are no usable credentials for a Kubernetes API server.",
    "Do what the message says: a ServiceAccount token, or a kubeconfig in `KUBECONFIG`.",
  ],
  "kube/foreign-field": ["while it works", "A controller was to write a status field of another one.", BUG],
  "kube/no-secret-cache": ["at start", "Secrets were to be watched.", BUG],
  "kube/reconcile-deadline": [
    "while it works",
    "One reconcile took too long; it is tried again.",
    "Where it stays, look at the API server's speed, then report it.",
  ],
  "kube/shutdown-deadline": [
    "at the end",
    "The shutdown took too long and was cut off.",
    "Nothing is lost by it. Where it stays, look at the API server's speed.",
  ],
  "kube/started": ["at start", "The caches were started twice.", BUG],
  "operator/config": [
    "at start",
    "A variable of the operator's environment is wrong.",
    "Correct what the message names.",
  ],
  "operator/listen": [
    "at start",
    "The operator cannot listen on the address in `HOLDFAST_LISTEN`, mostly because another program does.",
    "End that program, or choose another address or port.",
  ],
};

/** Of the operator's calls to the Kubernetes API server. */
export const KUBE: Readonly<Record<KubeCode, Explanation>> = {
  "kube/already-exists": ["409", "An object of this name is there.", RETRIED],
  "kube/bad-request": ["400", "The request cannot be understood.", BUG],
  "kube/bad-response": ["any", "The answer is not one of a Kubernetes API server.", "Look for a proxy in between."],
  "kube/conflict": ["409", "The object has changed meanwhile.", RETRIED],
  "kube/forbidden": ["403", "The operator lacks a right.", "Apply the chart's roles of this release again."],
  "kube/gone": ["410", "A version that was asked for is too old.", "Nothing: everything is listed again by itself."],
  "kube/internal": ["500", "The API server failed.", RETRIED],
  "kube/invalid": [
    "422",
    "The API server's validation refuses an object.",
    "Apply the CRDs of this release again; else report it.",
  ],
  "kube/not-found": ["404", "The object is not there.", RETRIED],
  "kube/timeout": ["504, or no answer in time", "The API server was too slow.", RETRIED],
  "kube/too-large": ["413", "The object is too large.", "Shorten the lists of the resource that the message names."],
  "kube/too-many-requests": ["429", "The API server is busy.", RETRIED],
  "kube/unauthorized": ["401", "The API server does not know the operator's token.", "Look at its ServiceAccount."],
  "kube/unavailable": [
    "503, 404",
    "The API server, or a kind, is not served just now.",
    "Where it stays, look whether the CRDs of this release are applied.",
  ],
  "kube/unreachable": ["no answer", "The API server cannot be reached.", RETRIED],
};
