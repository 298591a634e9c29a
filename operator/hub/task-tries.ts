import type { Clock } from "#base/clock.ts";
import type { Repository } from "#crds/repository.ts";
import { type Key, keyOf } from "../kube/resource.ts";
import type { HostKey } from "./ports.ts";

/** Between tries to open a repository, doubling; a changed spec, Secret or host, or a first policy, is tried at once. */
const FIRST_PAUSE_MS = 10_000;
const LONGEST_PAUSE_MS = 300_000;
/** An agent that has told nothing of a task for so long has lost it. */
const LONGEST_TRY_MS = 600_000;

interface Try {
  /** What it was made from. */
  readonly of: string;
  readonly id: string;
  readonly host: HostKey;
  readonly create: boolean;
  readonly failures: number;
  /** Monotonic ms: when the next one is due, whatever becomes of this one. */
  readonly nextAt: number;
  readonly ended: boolean;
  readonly cancel: () => void;
}

/** What a command was made from, as its id says. */
export interface Tried {
  readonly repositoryUID: string;
  readonly generation: number;
  readonly secretVersions: string;
}

/**
 * The tries to open repositories from this replica's hosts: one command id a try, kept while the try goes on. An id says
 * itself what it was made from, so that its result can be judged by another replica or after a restart.
 */
export class TaskTries {
  readonly #clock: Clock;
  readonly #newID: () => string;
  readonly #due: (host: HostKey) => void;
  readonly #tries = new Map<Key, Try>();

  /** `newID`: unique, at most 16 letters and digits. `due`: the host is to be looked at again, the next try may begin. */
  constructor(parts: { readonly clock: Clock; readonly newID: () => string; readonly due: (host: HostKey) => void }) {
    this.#clock = parts.clock;
    this.#newID = parts.newID;
    this.#due = parts.due;
  }

  /**
   * The id of the try that is to go on now; undefined during a pause. `versions`: the hash of the Secrets' versions;
   * `create`: whether the repository is to be made where there is none.
   */
  current(repository: Repository, host: HostKey, versions: string, create: boolean): string | undefined {
    const key = keyOf(repository);
    const { uid, generation = 0 } = repository.metadata;
    const of = `${uid}:${generation}:${versions.slice(0, 32)}`;
    const now = this.#clock.monotonic();
    const last = this.#tries.get(key);
    const same = last !== undefined && last.of === of && last.host === host && last.create === create;
    if (same && now < last.nextAt) return last.ended ? undefined : last.id;
    last?.cancel();
    const id = `init:${of}:${this.#newID()}`;
    const failures = same ? last.failures + (last.ended ? 0 : 1) : 0;
    this.#set(key, { of, id, host, create, failures, ended: false }, LONGEST_TRY_MS);
    return id;
  }

  /** What a command was made from; undefined for an id that is none of ours. */
  tried(commandID: string): Tried | undefined {
    const match = /^init:([^:]+):([0-9]{1,15}):([0-9a-f]*):[A-Za-z0-9]+$/.exec(commandID);
    return match ? { repositoryUID: match[1]!, generation: Number(match[2]), secretVersions: match[3]! } : undefined;
  }

  /** A try has ended; should the repository still not be open, the next one begins after a pause. */
  ended(repository: Key, commandID: string): void {
    const last = this.#tries.get(repository);
    if (last?.id !== commandID || last.ended) return;
    last.cancel();
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** last.failures, LONGEST_PAUSE_MS);
    this.#set(repository, { ...last, failures: last.failures + 1, ended: true }, pause);
  }

  /** The repository is open, or gone. */
  forget(repository: Key): void {
    this.#tries.get(repository)?.cancel();
    this.#tries.delete(repository);
  }

  #set(key: Key, next: Omit<Try, "nextAt" | "cancel">, afterMs: number): void {
    const cancel = this.#clock.after(afterMs, () => this.#due(next.host));
    this.#tries.set(key, { ...next, nextAt: this.#clock.monotonic() + afterMs, cancel });
  }
}
