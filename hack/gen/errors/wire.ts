import type { HttpCode, HttpStatus } from "#base/error-codes.ts";
import type { ExitCode } from "#base/exit-code.ts";
import type { AgentFrame } from "#protocol/frames.ts";
import type { Close } from "#protocol/limits.ts";
import type { SetAside } from "#protocol/outcome.ts";
import type { Explanation } from "./explanation.ts";

const ENROLMENT = "`holdfast-agent enroll`";
const CONNECTION = "agent's log";
const LOGS = "log of a run or restore";
const AGAIN = "Create another EnrollmentToken and run the command in its Secret.";
const RETRIED = "Nothing: the agent tries again by itself, after the time in Retry-After.";

type Rest = [meaning: string, cure: string];

/** The operator's HTTP answers, each with its status. */
export const HTTP: { readonly [C in HttpCode]: readonly [where: `${HttpStatus[C]}, ${string}`, ...Rest] } = {
  agent_too_old: [
    `501, ${LOGS}`,
    "The agent is of a release that keeps its logs to itself.",
    "Upgrade the agent. Until then `status.logTail` has the end.",
  ],
  bad_request: [
    "400, any path; also with 413, 415 and 431",
    "The request is no HTTP that the operator takes.",
    "Correct the client.",
  ],
  busy: [`503, ${CONNECTION}, ${ENROLMENT}`, "The replica takes no more connections just now.", RETRIED],
  credential_malformed: [
    `401, ${CONNECTION}`,
    "The agent shows no credential of the right form.",
    "Look for a proxy that drops the header Authorization; else enrol the machine again.",
  ],
  credential_unknown: [
    `401, ${CONNECTION}`,
    "The credential does not hold: the Host was deleted, or another machine has enrolled as it.",
    "If that is not meant, enrol the machine with a token for this Host that has `reenroll`.",
  ],
  forbidden: [
    `403, \`/metrics\`, ${LOGS}`,
    "RBAC does not let whom the token belongs to read this.",
    "For metrics bind it to a ClusterRole with `get` on the nonResourceURL /metrics; for logs to a Role with `get` on `backupruns/log` or `restores/log`.",
  ],
  host_deleted: [`409, ${ENROLMENT}`, "The Host of this name is being deleted.", "Try again when it is gone."],
  host_exists: [
    `409, ${ENROLMENT}`,
    "A Host of this name has an agent already.",
    "Give another machine another name with `--hostname`; for the same one create a token with `hostName` and `reenroll`.",
  ],
  host_invalid: [
    `409, ${ENROLMENT}`,
    "The API server refuses the Host; the message has its words.",
    "Correct the `hostLabels` of the EnrollmentToken in another one.",
  ],
  host_moved: [
    `503, ${LOGS}`,
    "The agent has connected to another replica of the operator meanwhile.",
    "Ask again, from where the log ended: any replica finds it.",
  ],
  host_name_mismatch: [
    `403, ${ENROLMENT}`,
    "The token is for a Host of another name than this machine's.",
    "Run it on the right machine, or give `--hostname`.",
  ],
  host_offline: [
    `503, ${LOGS}`,
    "The log is on the host, and its agent is not connected.",
    "Ask again when the Host is Connected. `status.logTail` has the end.",
  ],
  host_revoked: [
    `403, ${ENROLMENT}, ${CONNECTION}`,
    "The Host has `spec.revoked`, or had it until a moment ago (503).",
    "Wait for its condition Revoked, set `spec.revoked` to false and enrol with a token for this Host that has `reenroll`.",
  ],
  host_slow: [
    `503, ${LOGS}`,
    "The agent is connected, but its answer takes over 30 s: the host has a slow line, or others read its logs too.",
    "Ask again, from where the log ended. `status.logTail` has the end.",
  ],
  hostname_invalid: [
    `400, ${ENROLMENT}`,
    "The machine's hostname holds no letter or digit to make a Host name of.",
    "Set a hostname, or give `--hostname`.",
  ],
  internal: ["500, any path", "The operator failed.", "Read the operator's log; please report it."],
  log_missing: [
    `404, ${LOGS}`,
    "The host has no log of it: it has not begun, never did, or it is over a week ago, or 200 runs.",
    "Read `status`. With `follow=true` the log of a run that waits is shown as soon as it begins.",
  ],
  log_shorter: [
    `416, ${LOGS}`,
    "The log has fewer bytes than the offset: it is another one's, or the host lost its end in a crash.",
    "Read it from the beginning.",
  ],
  malformed: [`400, ${ENROLMENT}`, "The request is not an enrolment.", "Use the agent of the operator's release."],
  not_found: [
    "404, any path",
    "There is nothing at this path, or no such BackupRun or Restore.",
    "Check the address, and any proxy before the operator.",
  ],
  replica_unreachable: [
    `503, ${LOGS}`,
    "Another replica of the operator has the agent's connection, and this one cannot reach it.",
    "Let replicas reach each other at the port they listen on; where they listen on all addresses, set HOLDFAST_ADVERTISE.",
  ],
  starting: [`503, ${ENROLMENT}`, "The operator has just started.", "Run the same command again in a moment."],
  stopping: [
    `503, ${LOGS}`,
    "This replica of the operator stops.",
    "Ask again, from where the log ended: another replica answers.",
  ],
  token_expired: [`401, ${ENROLMENT}`, "The token's `ttl` is over.", AGAIN],
  token_malformed: [
    `400, ${ENROLMENT}`,
    "What was sent is no token.",
    "Copy the token whole from the Secret in `status.secretRef`, or pass the Secret's value on by `--token-file`.",
  ],
  token_not_ready: [
    `503, ${ENROLMENT}`,
    "The EnrollmentToken was created just now.",
    "Run the same command again in a moment.",
  ],
  token_unknown: [
    `401, ${ENROLMENT}`,
    "The token was deleted, is of another installation, or was not copied whole.",
    AGAIN,
  ],
  token_used: [`401, ${ENROLMENT}`, "The token was used as often as `maxUses` allows.", AGAIN],
  too_many_requests: [
    `429, ${ENROLMENT}, ${CONNECTION}, ${LOGS}`,
    "Too many requests came from this address, or with this credential; or too many logs of this host are being read.",
    "Wait and try again.",
  ],
  unauthorized: [
    `401, \`/metrics\`, ${LOGS}`,
    "No token was shown, or the API server does not know it.",
    "Show a ServiceAccount's token as bearer, as Prometheus does with `authorization.credentials_file`.",
  ],
  unavailable: [
    `503, ${ENROLMENT}, ${CONNECTION}`,
    "The operator cannot reach its API server just now, or lacks a right there.",
    "It is tried again by itself. Where it stays, read the operator's log.",
  ],
};

/** Why an agent's WebSocket was closed. */
export const CLOSES: Readonly<Record<keyof typeof Close, Explanation>> = {
  normal: ["agent", "The agent hangs up, to connect anew.", ""],
  goingAway: [
    "operator, agent",
    "The operator replica stops or lets an old connection go, the other side was silent, or the agent stops.",
    "Nothing: the agent comes back by itself.",
  ],
  policyViolation: [
    "operator",
    "The agent does not keep the protocol: malformed frames, too many of them, no hello.",
    "Compare the releases of agent and operator; the agent's log has the reason.",
  ],
  tooBig: ["operator, agent", "A frame of over 1 MiB came.", "Please report it, with the agent's log."],
  internalError: [
    "operator",
    "The operator failed in this session.",
    "Read the operator's log; the agent comes back by itself.",
  ],
  tryAgainLater: [
    "operator",
    "The operator cannot reach its API server, or the agent reads too slowly.",
    "Nothing: the agent comes back by itself.",
  ],
  revoked: [
    "operator",
    "The Host was revoked or deleted, or two machines use its identity.",
    "Look at the Host; see Revoked and IdentityConflict.",
  ],
  superseded: ["operator", "A newer session of this Host was accepted, here or at another replica.", ""],
  protocolTooOld: [
    "operator",
    "The agent's protocol is older than the operator speaks.",
    "Update the agent. Its schedules go on.",
  ],
};

/** What one side answers to a frame of the other; in both logs. */
export const FRAME_ERRORS: Readonly<Record<Extract<AgentFrame, { type: "error" }>["code"], Explanation>> = {
  forbidden: [
    "to an agent's record",
    "The agent reported something that is not its own.",
    "Look at the Host's condition ResultsRejected.",
  ],
  host_unknown: [
    "to hello",
    "The Host was deleted or is another one now.",
    "Its schedules go on unseen: stop the agent, or enrol the machine again.",
  ],
  identity_conflict: ["to hello", "Two machines use this identity.", "See IdentityConflict."],
  internal: ["to any frame", "The sender failed; its log says more.", "Please report it."],
  malformed: [
    "to any frame",
    "The frame breaks the protocol; after three the connection is closed.",
    "Please report it, with both releases.",
  ],
  protocol_too_old: ["to hello", "The agent's protocol is older than the operator speaks.", "Update the agent."],
  unexpected: ["to any frame", "The frame is out of place.", "Please report it, with both releases."],
  unsupported: [
    "to any frame",
    "The frame is of a type that only a newer release knows. It is passed over.",
    "Update the older side when you can.",
  ],
};

/** Why a result lies aside on its host: in the Host's condition ResultsRejected and in dump-state. */
export const SET_ASIDE: Readonly<Record<SetAside, Explanation>> = {
  forbidden: [
    "operator",
    "The result is not of this host, policy or slot, or its slot has not come yet.",
    "Set up time synchronisation on the host; else see whether two machines share an identity.",
  ],
  malformed: ["agent", "The result breaks the protocol.", "Please report it, with `holdfast-agent dump-state`."],
  too_large: ["agent", "The result is over 1 MiB.", "Please report it, with `holdfast-agent dump-state`."],
  unexpected: ["operator", "The result could not be written.", "Read the operator's log; please report it."],
};

/** How holdfast-agent and the operator end. */
export const EXITS: Readonly<Record<keyof typeof ExitCode, Explanation>> = {
  ok: ["agent, operator", "Done, or stopped as asked.", ""],
  failed: [
    "agent, operator",
    "It failed; its last line says why. `health-check`: the agent does not run, or with `--connected` is not connected.",
    "Do what the message says.",
  ],
  usage: ["agent", "There is no such command, flag or value.", "See `holdfast-agent COMMAND --help`."],
};
