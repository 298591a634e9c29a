import { Counter, type Registry } from "prom-client";
import type { Clock } from "#base/clock.ts";
import { HoldfastError, messageOf } from "#base/errors.ts";
import type { Random } from "#base/random.ts";
import type { BackupRun } from "#crds/backuprun.ts";
import type { Restore } from "#crds/restore.ts";
import { isTerminal } from "#protocol/outcome.ts";
import type { Record, RestoreRecord, RunRecord } from "#protocol/record.ts";
import { line } from "#protocol/text.ts";
import type { Caches } from "../controllers/caches.ts";
import { BackupRuns, Restores } from "../controllers/kinds.ts";
import { mayReplace } from "../controllers/one-shot/conditions.ts";
import { restoreWriter, runWriter } from "../controllers/one-shot/writers.ts";
import { applyStatus, type StatusWriter } from "../kube/apply.ts";
import type { Client } from "../kube/client.ts";
import { isForbidden, isNotFound, isTransient, isUnauthorized } from "../kube/kube-error.ts";
import type { Log } from "../kube/log.ts";
import type { Kind } from "../kube/resource.ts";
import type { LastWrites } from "./last-writes.ts";
import { leastStatus, type OneShotRecord, restoreStatus, runStatus } from "./one-shot-status.ts";
import { persist } from "./persist.ts";
import type { HostIdentity, RecordSink, WriteResult } from "./ports.ts";
import { type Found, runOfRecord } from "./run-of-record.ts";
import type { TaskRecords } from "./task-records.ts";

export interface RecordSinkParts {
  readonly client: Client;
  readonly caches: Caches;
  readonly lastWrites: LastWrites;
  readonly tasks: TaskRecords;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly registry: Registry;
}

type OneShot = BackupRun | Restore;

/** Writes what agents report into the status of what it is about. */
export class ResourceRecords implements RecordSink {
  readonly #parts: RecordSinkParts;
  readonly #results: Counter<"kind" | "result">;

  constructor(parts: RecordSinkParts) {
    this.#parts = parts;
    this.#results = new Counter({
      name: "holdfast_records_total",
      help: "Records of agents by kind and by what became of them; superseded: there was nothing left to write them to.",
      labelNames: ["kind", "result"],
      registers: [parts.registry],
    });
  }

  async write(host: HostIdentity, record: Record, signal: AbortSignal): Promise<WriteResult> {
    const result = await (record.kind === "task"
      ? this.#parts.tasks.write(host, record, signal)
      : this.#writeOneShot(host, record, signal));
    this.#results.inc({ kind: record.kind, result: result.result });
    return result;
  }

  #writeOneShot(host: HostIdentity, record: OneShotRecord, signal: AbortSignal): Promise<WriteResult> {
    const { clock } = this.#parts;
    if (record.kind === "restore") {
      const find = (fresh: boolean) => this.#restore(host, record, fresh, signal);
      const status = (restore: Restore) => restoreStatus(restore, record, clock.now());
      return this.#settle(Restores, restoreWriter, record, find, status, signal);
    }
    const find = (fresh: boolean) => runOfRecord(this.#parts, host, record, clock.now(), fresh, signal);
    const status = (run: BackupRun) => runStatus(run, record, clock.now());
    return this.#settle(BackupRuns, runWriter, record, find, status, signal);
  }

  /** The whole result; if Kubernetes will never take that, the least of it; if not that either, the agent keeps it. */
  async #settle<T extends OneShot>(
    kind: Kind<T>,
    writer: StatusWriter,
    record: RunRecord | RestoreRecord,
    find: (fresh: boolean) => Promise<Found<T>>,
    whole: (object: T) => object,
    signal: AbortSignal,
  ): Promise<WriteResult> {
    const { clock, log } = this.#parts;
    const least = (object: T) => leastStatus(object, record, clock.now());
    let refusal: unknown;
    for (const status of [whole, least]) {
      try {
        return await this.#apply(kind, writer, record, find, status, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (isNotFound(error)) return { result: "superseded" };
        log.warn({ kind: kind.kind, name: record.name, error: messageOf(error) }, "a result was refused");
        refusal = error;
      }
    }
    const code = refusal instanceof HoldfastError ? refusal.code : "unexpected";
    return { result: "rejected", code, message: line(messageOf(refusal)) };
  }

  #apply<T extends OneShot>(
    kind: Kind<T>,
    writer: StatusWriter,
    record: RunRecord | RestoreRecord,
    find: (fresh: boolean) => Promise<Found<T>>,
    status: (object: T) => object,
    signal: AbortSignal,
  ): Promise<WriteResult> {
    const { client, lastWrites, clock } = this.#parts;
    const attempt = async (fresh: boolean): Promise<WriteResult> => {
      const found = await find(fresh);
      if ("answer" in found) return found.answer;
      const { object } = found;
      if (!mayReplace(object.status, record) || isOlder(object, record)) return { result: "superseded" };
      await applyStatus(client, kind, object, writer, status(object), { signal });
      const { phase, reason } = record;
      lastWrites.set(object.metadata.uid, { phase, reason, at: clock.monotonic() });
      return { result: "written" };
    };
    return persist(this.#parts, signal, attempt, (error) => this.#mayPass(error));
  }

  async #restore(
    host: HostIdentity,
    record: RestoreRecord,
    fresh: boolean,
    signal: AbortSignal,
  ): Promise<Found<Restore>> {
    const { caches, client } = this.#parts;
    const ref = { namespace: host.namespace, name: record.name };
    const cached = fresh ? undefined : caches.restores.get(ref);
    // Another one of its name may be the one before it; only the API server can say that ours is gone.
    const restore =
      cached?.metadata.uid === record.uid
        ? cached
        : await client.get(Restores, ref, { signal }).catch((error: unknown) => {
            if (!isNotFound(error)) throw error;
            return undefined;
          });
    if (restore === undefined || restore.metadata.uid !== record.uid) return { answer: { result: "superseded" } };
    if (restore.spec.target.hostRef === host.name) return { object: restore };
    const message = `Restore ${record.name} is not one of Host ${host.name}`;
    return { answer: { result: "forbidden", message } };
  }

  /** A Role that lacks a right is mended by people, and must not cost results; a quota or an ending namespace is an answer. */
  #mayPass(error: unknown): boolean {
    if (isTransient(error)) return true;
    const answer = isForbidden(error) && /exceeded quota|being terminated/i.test(messageOf(error));
    const mended = (isForbidden(error) && !answer) || isUnauthorized(error);
    if (mended) this.#parts.log.error({ error: messageOf(error) }, "results wait: the operator lacks a right");
    return mended;
  }
}

function isOlder(object: OneShot, record: RunRecord | RestoreRecord): boolean {
  return !isTerminal(record.phase) && record.attempt < (object.status?.attempts ?? 0);
}
