import type { Clock } from "#base/clock.ts";
import { messageOf } from "#base/errors.ts";
import type { BackupRun } from "#crds/backuprun.ts";
import type { Restore } from "#crds/restore.ts";
import type { ProgressFrame } from "#protocol/frames.ts";
import { isTerminal } from "#protocol/outcome.ts";
import type { Caches } from "../controllers/caches.ts";
import { BackupRuns, Restores } from "../controllers/kinds.ts";
import { restoreWriter, runWriter } from "../controllers/one-shot/writers.ts";
import { applyStatus, type StatusWriter } from "../kube/apply.ts";
import type { Client } from "../kube/client.ts";
import { isConflict, isNotFound } from "../kube/kube-error.ts";
import type { Log } from "../kube/log.ts";
import type { Kind } from "../kube/resource.ts";
import { TokenBucket } from "../kube/token-bucket.ts";
import { TokenBuckets } from "../kube/token-buckets.ts";
import type { LastWrites } from "./last-writes.ts";
import { withProgress } from "./one-shot-status.ts";
import { type HostIdentity, hostKey, type ProgressSink } from "./ports.ts";
import { writeIn } from "./progress-pace.ts";
import type { TaskRecords } from "./task-records.ts";

export interface ProgressParts {
  readonly client: Client;
  readonly caches: Pick<Caches, "runs" | "restores">;
  readonly lastWrites: LastWrites;
  readonly tasks: Pick<TaskRecords, "progress">;
  readonly clock: Clock;
  readonly log: Log;
}

/** The newest report of a run or restore that is not written yet. */
interface Waiting {
  frame: ProgressFrame;
  /** Monotonic ms. */
  readonly since: number;
  /** Cancels the timer; undefined while it is being written. */
  cancel: (() => void) | undefined;
  again: boolean;
}

/** Progress writes of all runs together, so that results are never behind them. */
const RATE = { perSecond: 20, burst: 40 };
/** And those of one host, which has one backup and a few restores at a time: one alone must not use up what is for all. */
const HOST = { perSecond: 1, burst: 20 };
const MAX_WAITING = 10_000;
const ATTEMPTS = 3;

/** Writes how far runs and restores are: the newest state only, seldom, and never at the expense of results. */
export class ProgressWriter implements ProgressSink {
  readonly #parts: ProgressParts;
  readonly #bucket: TokenBucket;
  readonly #hosts: TokenBuckets;
  readonly #waiting = new Map<string, Waiting>();

  constructor(parts: ProgressParts) {
    this.#parts = parts;
    this.#bucket = new TokenBucket({ ...RATE, clock: parts.clock });
    this.#hosts = new TokenBuckets({ ...HOST, clock: parts.clock });
  }

  report(host: HostIdentity, frame: ProgressFrame): void {
    if (frame.kind === "task") {
      this.#parts.tasks.progress(host, frame);
      return;
    }
    const standing = this.#standing(host, frame);
    if (standing === undefined || isTerminal(standing.status?.phase)) return;
    const waiting = this.#waiting.get(frame.uid);
    if (waiting === undefined) {
      if (this.#waiting.size >= MAX_WAITING) return;
      const since = this.#parts.clock.monotonic();
      this.#waiting.set(frame.uid, { frame, since, cancel: undefined, again: false });
    } else {
      waiting.frame = frame;
      if (waiting.cancel === undefined) {
        waiting.again = true;
        return;
      }
      waiting.cancel();
    }
    this.#plan(host, frame.uid);
  }

  /** The resource, if the host may speak of it. A scheduled run of under 10 s has none, and needs none. */
  #standing(host: HostIdentity, { kind, name, uid }: ProgressFrame): BackupRun | Restore | undefined {
    const { runs, restores } = this.#parts.caches;
    const ref = { namespace: host.namespace, name };
    const object = kind === "run" ? runs.get(ref) : restores.get(ref);
    if (object === undefined || hostOf(object) !== host.name) return undefined;
    const id = object.kind === "BackupRun" ? (object.spec.runID ?? object.metadata.uid) : object.metadata.uid;
    return id === uid ? object : undefined;
  }

  #plan(host: HostIdentity, uid: string): void {
    const waiting = this.#waiting.get(uid);
    const object = waiting && this.#standing(host, waiting.frame);
    if (waiting === undefined || object === undefined || isTerminal(object.status?.phase)) {
      this.#waiting.delete(uid);
      return;
    }
    const { clock, lastWrites } = this.#parts;
    const last = lastWrites.get(object.metadata.uid);
    const paceMs = writeIn(waiting.frame, object.status, last, waiting.since, clock.monotonic());
    const delayMs = paceMs || this.#bucket.wait() || this.#hosts.take(hostKey(host)) || this.#bucket.take();
    if (delayMs > 0) {
      waiting.cancel = clock.after(delayMs, () => this.#plan(host, uid));
      return;
    }
    waiting.cancel = undefined;
    waiting.again = false;
    void this.#write(object, waiting.frame).finally(() => {
      this.#waiting.delete(uid);
      if (waiting.again) this.report(host, waiting.frame);
    });
  }

  async #write(object: BackupRun | Restore, frame: ProgressFrame): Promise<void> {
    try {
      if (object.kind === "BackupRun") await this.#apply(BackupRuns, runWriter, object, frame);
      else await this.#apply(Restores, restoreWriter, object, frame);
    } catch (error) {
      // The next report, or the result, says more than this one.
      this.#parts.log.debug({ name: frame.name, error: messageOf(error) }, "progress was not written");
    }
  }

  async #apply<T extends BackupRun | Restore>(
    kind: Kind<T>,
    writer: StatusWriter,
    seen: T,
    frame: ProgressFrame,
  ): Promise<void> {
    const { client, clock, lastWrites } = this.#parts;
    const { uid } = seen.metadata;
    for (let attempt = 1; ; attempt++) {
      try {
        // Live, because the caches keep no log tails and a complete apply would remove this one's.
        const live = await client.get(kind, seen.metadata, { retry: false });
        const over = live.metadata.uid !== uid || isTerminal(live.status?.phase);
        if (over || frame.attempt < (live.status?.attempts ?? 0)) return;
        await applyStatus(client, kind, live, writer, withProgress(live, frame, clock.now()));
        lastWrites.set(uid, { phase: frame.phase, reason: frame.reason, at: clock.monotonic() });
        return;
      } catch (error) {
        if (isNotFound(error)) return;
        if (!isConflict(error) || attempt === ATTEMPTS) throw error;
      }
    }
  }
}

function hostOf(object: BackupRun | Restore): string {
  return object.kind === "BackupRun" ? object.spec.hostRef : object.spec.target.hostRef;
}
