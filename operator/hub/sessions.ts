import type { Clock } from "#base/clock.ts";
import { messageOf } from "#base/errors.ts";
import type { Log } from "../kube/log.ts";
import type { AgentSocket } from "./agent-socket.ts";
import { type HostKey, hostKey, type SessionFacts, type SessionStore } from "./ports.ts";

/** How long a host may be away before its Host says so: a blip costs no write. */
const RECONNECT_GRACE_MS = 90_000;

/** All sockets of this replica, which of them is its host's session, and who left. */
export class Sessions {
  readonly #options: { store: SessionStore; clock: Clock; log: Log; signal: AbortSignal };
  readonly #sockets = new Map<HostKey, Set<AgentSocket>>();
  readonly #accepted = new Map<HostKey, AgentSocket>();
  /** Cancels the report that a host has left. */
  readonly #grace = new Map<HostKey, () => void>();
  #whenEmpty: (() => void) | undefined;

  constructor(options: { store: SessionStore; clock: Clock; log: Log; signal: AbortSignal }) {
    this.#options = options;
  }

  add(socket: AgentSocket): void {
    const key = hostKey(socket.state.host);
    const sockets = this.#sockets.get(key);
    if (sockets) sockets.add(socket);
    else this.#sockets.set(key, new Set([socket]));
  }

  /** `socket` was accepted: an older session of its host ends, here at once, elsewhere when that replica sees the epoch. */
  opened(socket: AgentSocket): void {
    const { host, epoch } = socket.state;
    const key = hostKey(host);
    const present = this.#accepted.get(key);
    // Epochs count in the scope of a Host's UID: one made again begins anew.
    if (present?.state.host.uid === host.uid && present.state.epoch > epoch) {
      socket.step({ type: "observed", seen: { uid: host.uid, epoch: present.state.epoch, revoked: false } });
      return;
    }
    this.#grace.get(key)?.();
    this.#grace.delete(key);
    this.#accepted.set(key, socket);
    for (const other of this.of(key)) other.step({ type: "observed", seen: { uid: host.uid, epoch, revoked: false } });
  }

  /** An accepted session lost its connection: its Host is told unless the agent comes back within the grace. */
  left(socket: AgentSocket, facts: SessionFacts): void {
    const { host, epoch } = socket.state;
    const key = hostKey(host);
    const present = this.#accepted.get(key);
    if (present !== undefined && present !== socket) return;
    this.#grace.get(key)?.();
    const report = () => {
      this.#grace.delete(key);
      const { store, signal, log } = this.#options;
      store.report(host, epoch, facts, signal).catch((error: unknown) => {
        if (!signal.aborted) log.error({ host: key, error: messageOf(error) }, "disconnection not reported");
      });
    };
    this.#grace.set(key, this.#options.clock.after(RECONNECT_GRACE_MS, report));
  }

  remove(socket: AgentSocket): void {
    const key = hostKey(socket.state.host);
    const sockets = this.#sockets.get(key);
    sockets?.delete(socket);
    if (sockets?.size === 0) this.#sockets.delete(key);
    if (this.#accepted.get(key) === socket) this.#accepted.delete(key);
    if (this.#sockets.size === 0) this.#whenEmpty?.();
  }

  accepted(key: HostKey): AgentSocket | undefined {
    const socket = this.#accepted.get(key);
    return socket?.state.phase === "live" ? socket : undefined;
  }

  of(key: HostKey): AgentSocket[] {
    return [...(this.#sockets.get(key) ?? [])];
  }

  sockets(): AgentSocket[] {
    return [...this.#sockets.values()].flatMap((sockets) => [...sockets]);
  }

  connected(): HostKey[] {
    return [...this.#accepted.keys()];
  }

  /** Resolves when no socket is left, at the latest after `withinMs`; then also cancels what was to be reported. */
  async empty(withinMs: number): Promise<void> {
    if (this.#sockets.size > 0) {
      await new Promise<void>((resolve) => {
        this.#whenEmpty = resolve;
        this.#options.clock.after(withinMs, resolve);
      });
    }
    for (const cancel of this.#grace.values()) cancel();
    this.#grace.clear();
  }
}
