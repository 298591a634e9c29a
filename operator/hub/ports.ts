import type { HttpCode } from "#base/error-codes.ts";
import type { Command } from "#protocol/command.ts";
import type { Config } from "#protocol/config.ts";
import type { AgentFrame, Hello, LogChunk, LogSubject, ProgressFrame } from "#protocol/frames.ts";
import type { Record } from "#protocol/record.ts";

/**
 * What the hub needs of the Kubernetes side, stated where it is used. The hub owns sockets and sessions and knows nothing
 * of resources; these ports own resources and know nothing of sockets.
 *
 * Every method that takes a `signal` may take as long as the API server does: it retries what can pass (429, 5xx, 409,
 * network) by itself and gives up only when the signal aborts, by rejecting. A rejection for any other cause is a defect:
 * the session logs it and closes with 1011, and the agent comes back with all that was not acknowledged.
 */

/** One incarnation of a Host: a Host deleted and created again under its name is another one. */
export interface HostIdentity {
  namespace: string;
  name: string;
  uid: string;
}

/** `<namespace>/<name>`, the key of a Host in stores, work queues and the hub. */
export type HostKey = string;

export function hostKey(host: { namespace: string; name: string }): HostKey {
  return `${host.namespace}/${host.name}`;
}

/** What an upgrade request says of itself. Both values are untrusted; neither may be logged. */
export interface AuthenticationRequest {
  /** The `authorization` header as it came. */
  authorization: string | undefined;
  /** The `holdfast-ticket` header: the adoption ticket, for an operator rebuilt around the same installation Secret. */
  ticket: string | undefined;
  remoteAddress: string;
}

/** An HTTP answer instead of an upgrade: 401 for a credential that does not hold, 503 where that cannot be known just now. */
export interface AuthenticationRefusal {
  status: 401 | 403 | 503;
  code: HttpCode;
  /** For the agent's log: what is wrong and what to do. */
  message: string;
}

/** Whose agent has shown a credential that holds. */
export interface Authenticated {
  host: HostIdentity;
  /** Whether it still does; asked of the API server. */
  stillHolds: (signal: AbortSignal) => Promise<boolean>;
}

/** Who is at the other end. Exchangeable: credential Secrets, projected ServiceAccount tokens. */
export interface Authenticator {
  /**
   * The SHA-256 of a credential that this installation once gave a Host to, as the request can show without anybody being
   * asked; it need not hold any more. Undefined where the request might be anybody's.
   */
  vouched(request: AuthenticationRequest): string | undefined;
  /** Called once for each upgrade request that passed admission, before anything is kept for it. */
  authenticate(
    request: AuthenticationRequest,
    signal: AbortSignal,
  ): Promise<Authenticated | { refused: AuthenticationRefusal }>;
}

export interface OpenRequest extends Authenticated {
  hello: Hello;
  /**
   * Milliseconds since 1970 at which the hello arrived. One that waited for the API server while a later hello of the same
   * agent was accepted elsewhere (status.session.connectedTime >= receivedAt) is refused as `superseded`: accepting it
   * would issue a nonce that the agent never receives, and its next hello would look like a clone's.
   */
  receivedAt: number;
  /** The whole facts to write in the same apply (ClockInSync, ConfigApplied, ...). */
  facts: SessionFacts;
}

export interface OpenedSession {
  /** Strictly above every epoch this Host (by UID) was ever given: nextEpoch() of epoch.ts. */
  epoch: number;
  /** Fresh, random, at most 64 characters; the next hello has to show it (nonce.ts). Only its hash stands in status. */
  nonce: string;
  clusterID: string;
  /** ConfigApplied was written as pending, from what was known of the desired configuration then. */
  configPending?: boolean;
}

/**
 * Why a hello is not accepted. `host_unknown`: the Host is gone, revoked or another one by UID. `identity_conflict`: two
 * machines show one identity; the store has said so on the Host. Both carry what the administrator should do.
 * `superseded`: a later hello of this agent was accepted meanwhile.
 */
export interface OpenRefusal {
  code: "host_unknown" | "identity_conflict" | "superseded";
  message: string;
}

/**
 * Everything of a live session that stands on its Host beside epoch, replica and agent. Always the whole of it, never a
 * change: a status apply is the manager's complete set.
 */
export interface SessionFacts {
  /** The id of the configuration in force on the agent; absent: none was ever applied. */
  applied?: string;
  /** The configuration the agent refused, or that was too large to be sent; absent once a later one is in force. */
  refused?: { id: string; reason: string; message: string };
  /** The agent's wall clock minus ours when it last changed its class: over 30 s is `warn`, over 5 min `off` (ClockInSync=False). */
  clock: { skewMs: number; state: "in-sync" | "warn" | "off" };
  /** Results of this session that were refused for good, the last one spelled out. */
  rejected?: { count: number; code: string; message: string };
  /** Set once the agent was away for longer than the reconnect grace: Connected=False. `since` in ms since 1970. */
  disconnected?: { since: number; reason: string };
}

/** `superseded`: the Host carries a higher epoch; nothing was written. `gone`: the Host (by UID) is deleted or revoked. */
export type ReportResult = "written" | "superseded" | "gone";

/** The session's share of Host.status (field manager holdfast-session). */
export interface SessionStore {
  /**
   * Accepts a session: one status apply whose resourceVersion precondition makes it the compare-and-swap of the epoch
   * (epoch, replica, Connected=True, agent, facts). On a conflict it reads again and decides again.
   */
  open(request: OpenRequest, signal: AbortSignal): Promise<OpenedSession | { refused: OpenRefusal }>;
  /** Writes the whole facts if the Host still carries `epoch` and they differ from what stands there. One call at a time a session. */
  report(host: HostIdentity, epoch: number, facts: SessionFacts, signal: AbortSignal): Promise<ReportResult>;
}

type WithoutEpoch<T> = T extends unknown ? Omit<T, "epoch"> : never;
/** A command as the resources ask for it; the session adds its epoch. */
export type PendingCommand = WithoutEpoch<Command>;

/** What one agent should hold and do now. Level-triggered: the whole of it every time. */
export interface Desired {
  /** Absent: nothing can be said now (caches not synced, identity conflict): the agent keeps what it has. */
  config?: Config;
  /**
   * Manual runs, restores, tasks and cancels that are not finished. Sent once in a session, after the config, and again
   * in the next session while they stand here; the agent's journal makes a repeat harmless.
   */
  commands: PendingCommand[];
}

export interface DesiredSource {
  /**
   * Asked when a session opens, when the agent's held policies change and after each Hub.refresh(). Reads Secrets by
   * name. One call at a time a session; refreshes during a call make one more.
   * @param held UIDs of the policies the agent holds: those no longer meant for it become tombstones.
   */
  desired(host: HostIdentity, held: readonly string[], signal: AbortSignal): Promise<Desired>;
}

/** `superseded`: there is nothing left to write it to (policy gone, history limit, a later state stands): counted, done. */
export type WriteResult =
  | { result: "written" }
  | { result: "superseded" }
  /** The subject belongs to another host, or to none that this one may speak of. */
  | { result: "forbidden"; message: string }
  /** Kubernetes refuses it for good (422, quota), also as a minimal result. */
  | { result: "rejected"; code: string; message: string };

export interface RecordSink {
  /**
   * Resolves only when the record is in Kubernetes or will never have to be: the agent then forgets it. Records of one
   * session come one after the other in the order of the agent's outbox, also again after a reconnect.
   */
  write(host: HostIdentity, record: Record, signal: AbortSignal): Promise<WriteResult>;
}

export interface ProgressSink {
  /** Must not block or throw; at most 1/s a subject from an honest agent. The host's right to speak of `uid` is checked here. */
  report(host: HostIdentity, progress: ProgressFrame): void;
}

/** What became of a command on arrival at the agent. */
export type CommandAnswer = Pick<Extract<AgentFrame, { type: "command_status" }>, "id" | "state" | "message">;

export interface CommandSink {
  /**
   * What the agent answered on arrival. `refused` and `expired` end the command: no record follows them. Must not block
   * or throw. May repeat; `id` is untrusted and may belong to another host.
   */
  answered(host: HostIdentity, answer: CommandAnswer): void;
}

export interface HubPorts {
  authenticator: Authenticator;
  store: SessionStore;
  desired: DesiredSource;
  records: RecordSink;
  progress: ProgressSink;
  commands: CommandSink;
}

/** A Host as its informer shows it. */
export interface SeenHost {
  uid: string;
  /** status.session.epoch, 0 without one. */
  epoch: number;
  revoked: boolean;
}

/** What the Kubernetes side may ask of the hub. All calls but readLog are cheap, synchronous and do nothing for a host not connected here. */
export interface Hub {
  /** Something the host's configuration or commands are made of has changed: ask DesiredSource again. */
  refresh(host: HostKey): void;
  /** All of them, spread over a few seconds: caches synced, cluster-wide setting changed. */
  refreshAll(): void;
  /** Call on every change of a Host; undefined: deleted. Closes 4409 at a higher epoch, 4403 at revoked, deleted or another UID. */
  observe(host: HostKey, seen: SeenHost | undefined): void;
  /** The accepted session of this replica, if it holds one. */
  session(host: HostKey): { host: HostIdentity; epoch: number; applied: string | undefined } | undefined;
  /**
   * The log of a run or restore from this byte on, as its agent has it now. Rejects with a Refusal where it is not to be
   * had (`host_offline`, `host_slow`, `agent_too_old`, `log_missing`), and when `signal` aborts.
   */
  readLog(host: HostKey, subject: LogSubject, offset: number, signal: AbortSignal): Promise<LogChunk>;
  /** Keys of all hosts with an accepted session here. */
  connected(): HostKey[];
}
