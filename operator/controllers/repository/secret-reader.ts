import type { Clock } from "#base/clock.ts";
import { messageOf } from "#base/errors.ts";
import { between, type Random } from "#base/random.ts";
import type { Repository } from "#crds/repository.ts";
import type { Client } from "../../kube/client.ts";
import type { Informer } from "../../kube/informer.ts";
import { isNotFound } from "../../kube/kube-error.ts";
import type { Log } from "../../kube/log.ts";
import { type Key, keyOf, type Secret, Secrets } from "../../kube/resource.ts";
import { type Resolved, resolveAccess, secretNames } from "./access.ts";
import { isOpened } from "./readiness.ts";

/** Secrets are not watched (that would be a grant to read all): looked at again after this, sooner while something waits for it. */
const REREAD_MS = { settled: 300_000, waiting: 10_000 };
/** After a run that failed over what they hold somebody is about to correct them, and waits for it. */
const DOUBT_MS = 3_600_000;

interface Entry {
  readonly stamp: string;
  readonly reading: Promise<Resolved>;
  /** The last answer, also of an earlier stamp. */
  readonly last: Resolved | undefined;
  /** The API server gave none, and who asked went away without: asked again soon, and at once by the next who asks. */
  readonly failed: boolean;
  readonly cancel: () => void;
}

/**
 * The Secrets of the repositories this process has to do with, by name and kept in memory: read when first asked for, when
 * the Repository's spec or annotations change, and every so often. Tells when one has changed.
 */
export class SecretReader {
  readonly #client: Client;
  readonly #repositories: Informer<Repository>;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Log;
  readonly #entries = new Map<Key, Entry>();
  readonly #listeners = new Set<(repository: Key) => void>();
  /** Until when, on the monotonic clock, these are looked at as often as those that something waits for. */
  readonly #doubtedUntil = new Map<Key, number>();

  constructor(parts: {
    readonly client: Client;
    readonly caches: { readonly repositories: Informer<Repository> };
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Log;
  }) {
    this.#client = parts.client;
    this.#repositories = parts.caches.repositories;
    this.#clock = parts.clock;
    this.#random = parts.random;
    this.#log = parts.log;
    this.#repositories.onChange(({ type, object }) => {
      if (type === "deleted") this.#forget(keyOf(object));
    });
  }

  /** Rejects with a KubeError when the API server cannot be asked and nothing was read before. */
  async read(repository: Repository): Promise<Resolved> {
    const key = keyOf(repository);
    const entry = this.#entries.get(key);
    const current = entry?.stamp === stampOf(repository) && !entry.failed ? entry : this.#begin(repository, entry);
    const resolved = await current.reading;
    if (!("access" in resolved)) return resolved;
    // The id was pinned, perhaps, after the Secrets were read.
    const { repositoryID: _, ...access } = resolved.access;
    const id = repository.status?.repositoryID;
    return { ...resolved, access: id === undefined ? access : { ...access, repositoryID: id } };
  }

  /** Calls `listener` when what read() answers for a repository has changed without a change of the Repository. */
  onChange(listener: (repository: Key) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Something failed over what the Secrets of this repository hold. */
  doubt(repository: Key): void {
    const entry = this.#entries.get(repository);
    if (entry === undefined) return;
    const doubted = this.#isDoubted(repository);
    this.#doubtedUntil.set(repository, this.#clock.monotonic() + DOUBT_MS);
    if (!doubted && entry.last !== undefined) this.#reread(repository);
  }

  /** Reads nothing more by itself. */
  close(): void {
    for (const key of [...this.#entries.keys()]) this.#forget(key);
  }

  #begin(repository: Repository, before: Entry | undefined): Entry {
    const key = keyOf(repository);
    before?.cancel();
    const last = before?.last;
    const stamp = stampOf(repository);
    const reading = this.#fetch(repository).catch((error: unknown) => {
      // What was read for another spec (another address, another Secret) must not pass for this one's.
      if (last === undefined || before?.stamp !== stamp) throw error;
      this.#log.warn({ repository: key, error: messageOf(error) }, "Secrets of a repository could not be read again");
      return last;
    });
    const entry: Entry = { stamp, reading, last, failed: false, cancel: () => {} };
    this.#entries.set(key, entry);
    reading.then(
      (resolved) => {
        const news = before?.failed === true || (last !== undefined && !same(last, resolved));
        this.#finish(key, entry, { last: resolved, failed: false }, news);
      },
      () => this.#finish(key, entry, { last: undefined, failed: true }, false),
    );
    return entry;
  }

  #finish(key: Key, entry: Entry, end: Pick<Entry, "last" | "failed">, news: boolean): void {
    if (this.#entries.get(key) !== entry) return;
    const repository = this.#repositories.get(key);
    if (repository === undefined) {
      // Deleted while it was read: nothing will say so again.
      this.#forget(key);
      return;
    }
    if (news) this.#doubtedUntil.delete(key);
    const settled = end.last !== undefined && "access" in end.last && isOpened(repository) && !this.#isDoubted(key);
    const delay = REREAD_MS[settled ? "settled" : "waiting"] * between(this.#random, 0.8, 1.2);
    const cancel = this.#clock.after(delay, () => this.#reread(key));
    this.#entries.set(key, { ...entry, ...end, cancel });
    if (news) for (const tell of this.#listeners) tell(key);
  }

  #reread(key: Key): void {
    const repository = this.#repositories.get(key);
    const entry = this.#entries.get(key);
    if (repository === undefined || entry === undefined) this.#forget(key);
    else this.#begin(repository, entry).reading.catch(() => {});
  }

  #isDoubted(key: Key): boolean {
    return this.#clock.monotonic() < (this.#doubtedUntil.get(key) ?? 0);
  }

  #forget(key: Key): void {
    this.#doubtedUntil.delete(key);
    this.#entries.get(key)?.cancel();
    this.#entries.delete(key);
  }

  async #fetch(repository: Repository): Promise<Resolved> {
    const { namespace } = repository.metadata;
    const secrets = new Map<string, Secret>();
    for (const name of secretNames(repository.spec)) {
      try {
        secrets.set(name, await this.#client.get(Secrets, { namespace, name }));
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    }
    return resolveAccess(repository, secrets);
  }
}

function stampOf({ metadata }: Repository): string {
  return JSON.stringify([metadata.uid, metadata.generation, metadata.annotations]);
}

function same(a: Resolved, b: Resolved): boolean {
  return "access" in a ? "access" in b && a.versions === b.versions : !("access" in b) && a.problem === b.problem;
}
