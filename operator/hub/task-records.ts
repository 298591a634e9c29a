import type { Clock } from "#base/clock.ts";
import { HoldfastError, messageOf } from "#base/errors.ts";
import type { Random } from "#base/random.ts";
import type { Repository } from "#crds/repository.ts";
import type { ProgressFrame } from "#protocol/frames.ts";
import { isTerminal, Reason } from "#protocol/outcome.ts";
import type { TaskRecord } from "#protocol/record.ts";
import { line } from "#protocol/text.ts";
import type { Caches } from "../controllers/caches.ts";
import { Repositories } from "../controllers/kinds.ts";
import { repositoryTaskWriter } from "../controllers/repository/writers.ts";
import { applyStatus } from "../kube/apply.ts";
import type { Client } from "../kube/client.ts";
import { isNotFound } from "../kube/kube-error.ts";
import type { Log } from "../kube/log.ts";
import { type Key, keyOf } from "../kube/resource.ts";
import { TokenBuckets } from "../kube/token-buckets.ts";
import { audit } from "./audit.ts";
import { persist } from "./persist.ts";
import type { HostIdentity, WriteResult } from "./ports.ts";
import { instant } from "./session-status.ts";
import type { TaskTries } from "./task-tries.ts";

type LastOpen = NonNullable<NonNullable<Repository["status"]>["lastOpen"]>;

/** What is said of a repository besides records, which wait for each other: it costs the API server no more than this. */
const ASIDES = { perSecond: 0.1, burst: 5 };

export interface TaskRecordParts {
  readonly client: Client;
  readonly caches: Pick<Caches, "repositories">;
  readonly tries: Pick<TaskTries, "tried" | "ended">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** What the initializer's agent found at the Repository's address, into Repository.status: the id it pins, and lastOpen. */
export class TaskRecords {
  readonly #parts: TaskRecordParts;
  /** Reason last shown of a task that is under way, by Repository. */
  readonly #shown = new Map<Key, string>();
  readonly #asides: TokenBuckets;

  constructor(parts: TaskRecordParts) {
    this.#parts = parts;
    this.#asides = new TokenBuckets({ ...ASIDES, clock: parts.clock });
    parts.caches.repositories.onChange(({ type, object }) => {
      if (type === "deleted") this.#shown.delete(keyOf(object));
    });
  }

  /** A record of a task: only how it ended is of interest. */
  async write(host: HostIdentity, record: TaskRecord, signal: AbortSignal): Promise<WriteResult> {
    if (!isTerminal(record.phase)) return { result: "written" };
    const { client, clock, log, tries } = this.#parts;
    const key = keyOf({ metadata: { namespace: host.namespace, name: record.name } });
    this.#shown.delete(key);
    try {
      return await persist(this.#parts, signal, async (fresh) => {
        const repository = await this.#repository(host, record, fresh, signal);
        // Another Repository by now, or another host's to open: what this one found is of no use.
        if (repository?.metadata.uid !== record.repositoryUID || !isInitializer(repository, host)) {
          return { result: "superseded" };
        }
        const pinned = repository.status?.repositoryID;
        const lastOpen = {
          ...resultOf(record, pinned, clock.now()),
          hostRef: host.name,
          ...this.#versions(record.uid),
        };
        const found = lastOpen.phase === "Succeeded" ? record.repositoryID : undefined;
        const repositoryID = pinned ?? found;
        const status = { ...(repositoryID === undefined ? {} : { repositoryID }), lastOpen };
        const { object } = await applyStatus(client, Repositories, repository, repositoryTaskWriter, status, {
          signal,
        });
        if (pinned === undefined && found !== undefined) audit(log, "repository-pinned", object, { host: host.name });
        return { result: "written" };
      });
    } catch (error) {
      signal.throwIfAborted();
      if (isNotFound(error)) return { result: "superseded" };
      const code = error instanceof HoldfastError ? error.code : "unexpected";
      return { result: "rejected", code, message: line(messageOf(error)) };
    } finally {
      tries.ended(key, record.uid);
    }
  }

  /** A task that goes on: why it takes so long stands in lastOpen. Best effort, and written when the reason changes only. */
  progress(host: HostIdentity, frame: ProgressFrame): void {
    const { caches, clock, log } = this.#parts;
    const key = keyOf({ metadata: { namespace: host.namespace, name: frame.name } });
    const repository = caches.repositories.get(key);
    if (repository === undefined || !isInitializer(repository, host) || repository.status?.repositoryID !== undefined)
      return;
    if (this.#shown.get(key) === frame.reason || this.#asides.take(key) > 0) return;
    this.#shown.set(key, frame.reason);
    const lastOpen: LastOpen = {
      time: instant(clock.now()),
      hostRef: host.name,
      phase: "Running",
      reason: frame.reason,
      message: line(frame.message),
      ...this.#versions(frame.uid),
    };
    applyStatus(this.#parts.client, Repositories, repository, repositoryTaskWriter, { lastOpen }).catch(
      (error: unknown) => {
        this.#shown.delete(key);
        log.debug({ key, error: messageOf(error) }, "progress of a task was not written");
      },
    );
  }

  /** The agent would not begin the task: there will be no record. */
  async refused(
    host: HostIdentity,
    repository: Repository,
    commandID: string,
    message: string,
    signal: AbortSignal,
  ): Promise<WriteResult> {
    if (this.#asides.take(keyOf(repository)) > 0) return { result: "superseded" };
    const { name, uid } = repository.metadata;
    const ended = { uid: commandID, name, attempt: 0, phase: "Failed", reason: Reason.HostRefused, message } as const;
    return this.write(host, { kind: "task", action: "Init", repositoryUID: uid, ...ended }, signal);
  }

  async #repository(
    host: HostIdentity,
    { name, repositoryUID }: TaskRecord,
    fresh: boolean,
    signal: AbortSignal,
  ): Promise<Repository | undefined> {
    const { caches, client } = this.#parts;
    const ref = { namespace: host.namespace, name };
    const cached = fresh ? undefined : caches.repositories.get(ref);
    // What does not fit may merely be old: what an agent found is thrown away on the word of the API server only.
    if (cached?.metadata.uid === repositoryUID && isInitializer(cached, host)) return cached;
    return client.get(Repositories, ref, { signal }).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
      return undefined;
    });
  }

  #versions(commandID: string): Pick<LastOpen, "observedGeneration" | "secretVersions"> {
    const tried = this.#parts.tries.tried(commandID);
    return tried === undefined ? {} : { observedGeneration: tried.generation, secretVersions: tried.secretVersions };
  }
}

/** Pure: how the try ended. Another id than the pinned one is a failure however well restic could open it. */
export function resultOf(
  record: TaskRecord,
  pinned: string | undefined,
  now: number,
): LastOpen & { phase: "Succeeded" | "Failed" } {
  const time = instant(Date.parse(record.completionTime ?? "") || now);
  const created = record.created === undefined ? {} : { created: record.created };
  const found = record.repositoryID;
  if (record.phase !== "Succeeded" || found === undefined) {
    const reason = record.phase === "Succeeded" ? Reason.AgentError : record.reason;
    const message = record.phase === "Succeeded" ? "the agent opened it but did not say its id" : line(record.message);
    return { time, phase: "Failed", reason, message, ...created };
  }
  if (pinned !== undefined && pinned !== found) {
    const message =
      `the repository at this address has the id ${found.slice(0, 8)}, but ${pinned.slice(0, 8)} is pinned: it is another one. ` +
      "If that is meant, delete the Repository resource and create it again; nothing in a repository is deleted by that.";
    return { time, phase: "Failed", reason: Reason.RepositoryMismatch, message, ...created };
  }
  return { time, phase: "Succeeded", reason: record.reason, message: line(record.message), ...created };
}

function isInitializer(repository: Repository, host: HostIdentity): boolean {
  const { hostRef, hostUID } = repository.status?.initializer ?? {};
  return hostRef === host.name && hostUID === host.uid;
}
