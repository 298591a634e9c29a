import type { Host } from "#crds/host.ts";
import type { Hello } from "#protocol/frames.ts";
import { AGENT_STOPS } from "#protocol/limits.ts";
import { configApplied, sessionPart } from "../controllers/host/session-part.ts";
import type { ConditionReason } from "../controllers/reasons.ts";
import { type ConditionDraft, conditions, findCondition } from "../kube/conditions.ts";
import { rotateNonces } from "./nonce.ts";
import type { SessionFacts } from "./ports.ts";

/**
 * Pure: what holdfast-session's part of Host.status should be, always the whole of it. `now` is wall time in ms; times in a
 * status are whole seconds, as everywhere in Kubernetes.
 */
type Status = NonNullable<Host["status"]>;

/** A session is accepted; `alone`: no other machine shows this identity now, whatever was said before. `nonce`: what the next hello has to show. `desired`: id of the configuration meant for the host. */
export function statusAtOpen(
  host: Host,
  session: {
    epoch: number;
    replica: string;
    nonce: string;
    hello: Hello;
    facts: SessionFacts;
    alone: boolean;
    desired?: string | undefined;
  },
  now: number,
): Status {
  const { epoch, replica, nonce, hello, facts, alone, desired } = session;
  const conflict = alone ? [] : kept(host, OTHERS);
  const { capabilities, ...agent } = hello.agent;
  return {
    agent: { ...agent, protocol: hello.protocol, capabilities: [...capabilities] },
    session: { epoch, replica, bootID: hello.bootID, connectedTime: instant(now), ...rotateNonces(hello.nonce, nonce) },
    lastSeenTime: instant(now),
    ...applied(facts),
    conditions: conditions(
      host.status?.conditions,
      [connected(facts), ...ofFacts(host, facts, desired), ...conflict],
      now,
    ),
  };
}

/** The facts of the session that stands have changed. */
export function statusAtReport(host: Host, facts: SessionFacts, desired: string | undefined, now: number): Status {
  const { agent, session = {}, lastSeenTime } = host.status ?? {};
  const ended = facts.disconnected === undefined ? undefined : instant(facts.disconnected.since);
  const seen = ended ?? lastSeenTime;
  return {
    ...(agent === undefined ? {} : { agent }),
    session: ended === undefined ? session : { ...session, disconnectedTime: ended },
    ...(seen === undefined ? {} : { lastSeenTime: seen }),
    ...applied(facts),
    conditions: conditions(
      host.status?.conditions,
      [connected(facts), ...ofFacts(host, facts, desired), ...kept(host, OTHERS)],
      now,
    ),
  };
}

/** A second machine shows this Host's identity. All else stays as it is: the session that stands is not the stranger's. */
export function statusAtConflict(host: Host, message: string, now: number): Status {
  const conflict: Draft = { type: CONFLICT, status: "True", reason: "SecondMachine", message };
  return sessionPart(host, conflict, now);
}

/**
 * Another machine has enrolled as this Host: the epoch rises, which ends the old one's session wherever it is, and
 * nonces, agent and conflict are forgotten.
 */
export function statusAtTakeover(host: Host, replica: string, now: number): Status {
  const message = "the Host was enrolled again; waiting for its new agent to connect";
  const draft: Draft = { type: "Connected", status: "False", reason: "Reenrolled", message };
  const { session, lastSeenTime } = host.status ?? {};
  return {
    session: { epoch: (session?.epoch ?? 0) + 1, replica, disconnectedTime: instant(now) },
    ...(lastSeenTime === undefined ? {} : { lastSeenTime }),
    conditions: conditions(host.status?.conditions, [draft], now),
  };
}

/**
 * The Host was revoked: its session ends wherever it is. The epoch rises, because a replica that was cut off from the API
 * server may come to see the Host only when the revocation has been taken back.
 */
export function statusAtRevocation(host: Host, now: number): Status {
  const { session = {} } = host.status ?? {};
  const { name } = host.metadata;
  const message = `the Host was revoked; enrol its machine again with an EnrollmentToken that has hostName: ${name} and reenroll: true`;
  const draft: Draft = { type: "Connected", status: "False", reason: "Revoked", message };
  return {
    ...sessionPart(host, draft, now),
    session: { disconnectedTime: instant(now), ...session, epoch: (session.epoch ?? 0) + 1 },
  };
}

type Draft = ConditionDraft & { readonly reason: ConditionReason };

const CONFLICT = "IdentityConflict";
const OTHERS = ["Connected", "ConfigApplied", "ClockInSync", "ResultsRejected"];

function connected({ disconnected }: SessionFacts): Draft {
  if (disconnected === undefined) {
    return { type: "Connected", status: "True", reason: "Connected", message: "the agent holds a session" };
  }
  const { since, reason } = disconnected;
  const message =
    reason === AGENT_STOPS
      ? `the agent was stopped on the host at ${instant(since)}; its schedules wait until it is started again`
      : `the agent has been away since ${instant(since)}: ${reason}. If it still runs, its schedules go on; look at its log on the host if it does not come back`;
  return { type: "Connected", status: "False", reason: "Disconnected", message: message.slice(0, 1024) };
}

function ofFacts(host: Host, facts: SessionFacts, desired: string | undefined): Draft[] {
  const drafts = [configOf(facts, desired ?? host.status?.config?.desired), clockInSync(facts)];
  if (facts.rejected !== undefined) {
    const { count, code, message } = facts.rejected;
    const text = `Kubernetes refused ${count} of its results, the last one with ${code}: ${message}. The agent keeps them: holdfast-agent dump-state`;
    drafts.push({ type: "ResultsRejected", status: "True", reason: "Refused", message: text });
  }
  return drafts;
}

function configOf({ applied, refused }: SessionFacts, desired: string | undefined): Draft {
  if (refused === undefined) return configApplied(applied, desired);
  // The agent's word, if it is one of another release.
  const reason = refused.reason as ConditionReason;
  return { type: "ConfigApplied", status: "False", reason, message: refused.message };
}

function clockInSync({ clock }: SessionFacts): Draft {
  const type = "ClockInSync";
  if (clock.state === "in-sync") {
    return { type, status: "True", reason: "InSync", message: "within 30 s of the operator's clock" };
  }
  const seconds = Math.round(Math.abs(clock.skewMs) / 1000);
  const message = `the host's clock is ${seconds} s ${clock.skewMs > 0 ? "ahead" : "behind"}; set up time synchronisation there`;
  return { type, status: clock.state === "off" ? "False" : "True", reason: "Skewed", message };
}

/** The conditions of ours as they stand, but for `without`. */
function kept(host: Host, without: readonly string[]): ConditionDraft[] {
  return [...OTHERS, CONFLICT]
    .filter((type) => !without.includes(type))
    .flatMap((type) => {
      const live = findCondition(host.status?.conditions, type);
      if (live === undefined) return [];
      const { lastTransitionTime: _, ...draft } = live;
      return [draft];
    });
}

function applied(facts: SessionFacts): { config?: { applied: string } } {
  return facts.applied === undefined ? {} : { config: { applied: facts.applied } };
}

/** RFC 3339 in whole seconds. */
export function instant(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
