import type { Host } from "#crds/host.ts";
import { isTerminal, type Phase, Reason } from "#protocol/outcome.ts";
import { findCondition } from "../../kube/conditions.ts";
import type { ConditionReason } from "../reasons.ts";
import type { OneShotState } from "./conditions.ts";

/** What a BackupRun and a Restore have in common. Times in milliseconds since 1970. */
export interface OneShot {
  readonly phase: Phase;
  readonly reason: string;
  readonly message: string;
  readonly createdAt: number;
  readonly startedAt: number | undefined;
  readonly startingDeadlineMs: number;
  readonly timeoutMs: number;
  readonly cancel: boolean;
  /** Asked for by a resource and given to the agent; otherwise it is the agent's report of what it did by itself. */
  readonly commanded: boolean;
}

/** What keeps it from being given to the agent: for good, or until something else changes. */
export interface Obstacle {
  readonly final: boolean;
  readonly reason: ConditionReason;
  readonly message: string;
  /** The end of the message while it is waited for. */
  readonly until?: string;
}

export interface Verdict {
  /** What the leader has to write; absent: what stands there is right, or it is for the agent to say. */
  readonly state?: OneShotState;
  /** When only time changes the verdict. */
  readonly requeueAfterMs?: number;
}

/** Resources applied together come in any order, and caches fill independently: only after this is what is not there missing. */
const ORDER_GRACE_MS = 5_000;
/** An agent answers at once; from when on it shows that this one does not. Sooner, it would cost every run a write. */
const ANSWER_MISSED_MS = 30_000;
/** A command that was delivered just before its deadline is still answered by the agent. */
const ANSWER_GRACE_MS = 60_000;
/** protocol.md: Unknown after 5 min out of reach, Lost after the timeout and an hour. */
const UNKNOWN_AFTER_MS = 5 * 60_000;
const LOST_AFTER_MS = 3_600_000;

/**
 * The leader's part in a one-shot's life: before an agent has it, and when its agent is out of reach. Everything between is
 * said by the agent. `hostName` is for messages; `host` undefined means there is none of this name.
 */
export function decide(
  one: OneShot,
  hostName: string,
  host: Host | undefined,
  obstacle: Obstacle | undefined,
  now: number,
): Verdict {
  if (isTerminal(one.phase)) return {};
  const undelivered = one.phase === "Pending" && one.commanded;
  const { state, ...rest } = undelivered
    ? beforeDelivery(one, hostName, host, obstacle, now)
    : afterDelivery(one, hostName, host, now);
  const stands = state?.phase === one.phase && state.reason === one.reason && state.message === one.message;
  return state === undefined || stands ? rest : { state, ...rest };
}

function beforeDelivery(
  one: OneShot,
  hostName: string,
  host: Host | undefined,
  obstacle: Obstacle | undefined,
  now: number,
): Verdict {
  const connected = outOfReachSince(host) === undefined;
  // A connected agent is asked to cancel, because the command may be on its way to it; it then answers for it.
  if (one.cancel && !connected) {
    return { state: { phase: "Cancelled", reason: Reason.Cancelled, message: "cancelled before an agent had it" } };
  }
  if (obstacle?.final) {
    const wait = one.createdAt + ORDER_GRACE_MS - now;
    if (wait > 0) return { requeueAfterMs: wait };
    return { state: { phase: "Failed", reason: obstacle.reason, message: obstacle.message } };
  }
  const waiting = obstacle ?? (connected ? undefined : offline(hostName, host));
  const deadline = one.createdAt + one.startingDeadlineMs + (waiting === undefined ? ANSWER_GRACE_MS : 0);
  if (now >= deadline) {
    const within = `it could not start within startingDeadlineSeconds (${one.startingDeadlineMs / 1000} s)`;
    const why = waiting?.message ?? unanswered(hostName);
    return { state: { phase: "Failed", reason: Reason.DeadlineExceeded, message: `${within}: ${why}` } };
  }
  const requeueAfterMs = deadline - now;
  if (waiting === undefined) {
    const connectedAt = Date.parse(host?.status?.session?.connectedTime ?? "") || 0;
    const missedAt = Math.max(one.createdAt, connectedAt) + ANSWER_MISSED_MS;
    if (now < missedAt) return { requeueAfterMs: Math.min(missedAt - now, requeueAfterMs) };
    return { state: { phase: "Pending", reason: "", message: unanswered(hostName) }, requeueAfterMs };
  }
  const { reason, message, until = "" } = waiting;
  return { state: { phase: "Pending", reason, message: message + until }, requeueAfterMs };
}

function unanswered(hostName: string): string {
  return `the agent on ${hostName} is connected and has not begun it yet; kubectl describe host ${hostName} may say why`;
}

function offline(hostName: string, host: Host | undefined): Obstacle {
  const offline = { final: false, reason: Reason.HostOffline };
  return host?.status?.session?.connectedTime === undefined
    ? {
        ...offline,
        message: `no agent of ${hostName} has connected yet; run the install command of an EnrollmentToken on the machine`,
      }
    : {
        ...offline,
        message: `the agent on ${hostName} is not connected`,
        until: "; it starts when the host is back",
      };
}

function afterDelivery(one: OneShot, hostName: string, host: Host | undefined, now: number): Verdict {
  if (host === undefined) {
    const wait = one.createdAt + ORDER_GRACE_MS - now;
    if (wait > 0) return { requeueAfterMs: wait };
    return lost(`Host ${hostName} was deleted before its agent told the result`);
  }
  const lostAt = (one.startedAt ?? one.createdAt + one.startingDeadlineMs) + one.timeoutMs + LOST_AFTER_MS;
  if (now >= lostAt) {
    return lost(`${hostName} has told no result for an hour after the timeout; if one comes, it will stand here`);
  }
  const since = outOfReachSince(host);
  if (since === undefined) return { requeueAfterMs: lostAt - now };
  // A report that was only just created gets its status in a moment.
  const unknownAt = Math.max(since, one.startedAt === undefined ? one.createdAt : 0) + UNKNOWN_AFTER_MS;
  if (now < unknownAt) return { requeueAfterMs: Math.min(unknownAt, lostAt) - now };
  const message = `${hostName} has been out of reach since ${new Date(since).toISOString()}; its agent goes on by itself and reports when it is back`;
  return { state: { phase: "Unknown", reason: Reason.HostOffline, message }, requeueAfterMs: lostAt - now };
}

function lost(message: string): Verdict {
  return { state: { phase: "Failed", reason: Reason.Lost, message } };
}

/** Undefined for a host with a session; else since when there has been none, in milliseconds since 1970. */
function outOfReachSince(host: Host | undefined): number | undefined {
  if (host === undefined) return 0;
  const connected = findCondition(host.status?.conditions, "Connected");
  if (connected?.status === "True") return undefined;
  const since =
    host.status?.session?.disconnectedTime ?? connected?.lastTransitionTime ?? host.metadata.creationTimestamp ?? "";
  return Date.parse(since) || 0;
}
