import type { Clock } from "#base/clock.ts";
import { HoldfastError, messageOf } from "#base/errors.ts";
import type { Client } from "./client.ts";
import { Deadline } from "./deadline.ts";
import type { Informer } from "./informer.ts";
import type { Informers } from "./informers.ts";
import { isConflict, isTransient } from "./kube-error.ts";
import type { Log } from "./log.ts";
import type { KubeMetrics } from "./metrics.ts";
import { OwnWrites } from "./own-writes.ts";
import type { Predicate } from "./predicates.ts";
import { type Key, type KubeObject, keyOf } from "./resource.ts";
import { WorkQueue } from "./workqueue.ts";

/** A source of keys to reconcile; made by `watch`. */
export interface Watch {
  /** Begins to give keys, those of everything that is there first; returns how to stop. */
  begin(enqueue: (key: Key) => void): () => void;
}

/**
 * Reconciles when objects of a kind change. `keys` says what an object concerns, by default itself; for an update both
 * the old and the new object are asked, so that whom it has left is reconciled too.
 */
export function watch<T extends KubeObject>(
  informer: Informer<T>,
  options: { readonly when?: Predicate<T>; readonly keys?: (object: T) => readonly Key[] } = {},
): Watch {
  const { when = () => true, keys = (object: T) => [keyOf(object)] } = options;
  return {
    begin: (enqueue) =>
      informer.onChange((change) => {
        if (!when(change)) return;
        for (const key of keys(change.object)) enqueue(key);
        if (change.type === "updated") for (const key of keys(change.old)) enqueue(key);
      }),
  };
}

export interface ReconcileContext {
  /** For all calls of a reconcile: its writes are heard by the caches before the key is reconciled again. */
  readonly client: Client;
  /** Aborts at the deadline, and when this process must stop to write (leadership lost). ctx.client listens to it. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** Names the controller and the key. */
  readonly log: Log;
}

export interface ReconcileResult {
  /** Reconcile again after this, whatever happens: for what only time changes. */
  readonly requeueAfterMs?: number;
}

/**
 * Brings one object to what it should be, from whatever it is now; read it from the cache first, it may be gone. Must be
 * idempotent. Never runs twice at once for one key. Throwing means: again, after a growing delay.
 */
// biome-ignore lint/suspicious/noConfusingVoidType: a reconcile that has nothing to say should not need a return
export type Reconcile = (key: Key, ctx: ReconcileContext) => Promise<ReconcileResult | void>;

export interface ControllerOptions {
  /** Names the queue and the metrics; lower case, unique. */
  readonly name: string;
  readonly client: Client;
  readonly informers: Informers;
  readonly watches: readonly Watch[];
  readonly reconcile: Reconcile;
  /** Keys reconciled at once; default 2. */
  readonly workers?: number;
  /** Of one reconcile; default 60 s. */
  readonly deadlineMs?: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: KubeMetrics;
}

const WORKERS = 2;
const DEADLINE_MS = 60_000;
const ABORT_GRACE_MS = 5_000;
/**
 * After failures that are the API server's and not the object's. The client has itself waited between its attempts, so
 * that this asks little of a server in trouble; and work that an outage held up goes on a minute after its end, not 17.
 */
const LONGEST_OUTAGE_RETRY_MS = 60_000;

/** A queue, workers and a reconcile function: controller-runtime's Controller. Nothing a reconcile does stops a worker. */
export class Controller {
  readonly #options: ControllerOptions;
  readonly #log: Log;
  #queue: WorkQueue | undefined;

  constructor(options: ControllerOptions) {
    this.#options = options;
    this.#log = options.log.child({ controller: options.name });
    this.#expose(options.name, options.metrics);
  }

  /** A rate needs a zero to rise from: the first error ever would not be seen otherwise. */
  #expose(controller: string, metrics: KubeMetrics): void {
    for (const result of ["success", "requeue_after", "error"]) metrics.reconciles.inc({ controller, result }, 0);
    for (const count of [metrics.reconcileErrors, metrics.reconcilePanics, metrics.reconcileTimeouts]) {
      count.inc({ controller }, 0);
    }
    metrics.activeWorkers.set({ controller }, 0);
  }

  /** Reconciles a key for a reason no watch knows (a timer of the hub's). Without effect while the controller rests. */
  enqueue(key: Key, afterMs = 0): void {
    this.#queue?.addAfter(key, afterMs);
  }

  /**
   * Waits for all caches, then reconciles everything there is and whatever changes, until `stop` aborts: then it takes no
   * more, and resolves when what is under way has ended. `abort` (leadership lost, shutdown late) cancels that as well.
   * May be run again afterwards: leadership comes and goes.
   */
  async run(stop: AbortSignal, abort: AbortSignal): Promise<void> {
    const { informers, watches, name, clock, metrics, workers = WORKERS } = this.#options;
    try {
      await informers.synced(stop);
    } catch {
      return; // stopped before the caches were filled
    }
    const queue = new WorkQueue({ name, clock, metrics });
    const ownWrites = new OwnWrites((kind, written) => informers.expect(kind, written));
    this.#queue = queue;
    metrics.maxWorkers.set({ controller: name }, workers);
    const ends = watches.map((source) => source.begin((key) => queue.add(key)));
    const running = Array.from({ length: workers }, () => this.#work(queue, ownWrites, abort));
    if (!stop.aborted) await new Promise((resolve) => stop.addEventListener("abort", resolve, { once: true }));
    for (const end of ends) end();
    this.#queue = undefined;
    await queue.drain();
    await Promise.all(running);
  }

  async #work(queue: WorkQueue, ownWrites: OwnWrites, abort: AbortSignal): Promise<void> {
    for (let key = await queue.take(); key !== undefined; key = await queue.take()) {
      const taken = key;
      const unheard = ownWrites.unmet(taken);
      if (unheard === undefined) {
        await this.#reconcile(taken, queue, ownWrites, abort);
        continue;
      }
      // Not waited for here: a worker is for keys that can be reconciled now.
      unheard.whenMet(() => queue.add(taken));
      queue.done(taken);
    }
  }

  async #reconcile(key: Key, queue: WorkQueue, ownWrites: OwnWrites, abort: AbortSignal): Promise<void> {
    const { name, clock, metrics, client, reconcile, deadlineMs = DEADLINE_MS } = this.#options;
    const controller = name;
    const late = () => {
      metrics.reconcileTimeouts.inc({ controller });
      return new HoldfastError("kube/reconcile-deadline", `reconciling ${key} took longer than ${deadlineMs} ms`);
    };
    using deadline = new Deadline(clock, deadlineMs, [abort], late);
    const { signal } = deadline;
    const log = this.#log.child({ key });
    const started = clock.monotonic();
    metrics.activeWorkers.inc({ controller });
    const ctx = { client: ownWrites.client(key, client, signal), signal, clock, log };
    const work = (async () => reconcile(key, ctx))();
    try {
      const result = await unlessAborted(work, signal);
      queue.forget(key);
      if (result?.requeueAfterMs !== undefined) queue.addAfter(key, result.requeueAfterMs);
      metrics.reconciles.inc({
        controller,
        result: result?.requeueAfterMs === undefined ? "success" : "requeue_after",
      });
    } catch (error) {
      if (!abort.aborted) this.#failed(key, error, queue, log);
    } finally {
      metrics.activeWorkers.dec({ controller });
      metrics.reconcileSeconds.observe({ controller }, (clock.monotonic() - started) / 1000);
      this.#release(key, work, queue, abort);
    }
  }

  #failed(key: Key, error: unknown, queue: WorkQueue, log: Log): void {
    const { name: controller, metrics } = this.#options;
    const delayMs = isTransient(error) ? queue.addRateLimited(key, LONGEST_OUTAGE_RETRY_MS) : queue.addRateLimited(key);
    metrics.reconciles.inc({ controller, result: "error" });
    metrics.reconcileErrors.inc({ controller });
    const code = error instanceof HoldfastError ? error.code : "unexpected";
    // The cache was behind, or somebody else was faster: the ordinary way of optimistic locking, and nobody's fault.
    if (isConflict(error)) log.debug({ code, error: messageOf(error), delayMs }, "conflict; reconciling again");
    else if (error instanceof HoldfastError) log.error({ code, error: messageOf(error), delayMs }, "reconcile failed");
    else {
      metrics.reconcilePanics.inc({ controller });
      log.error({ code, err: error, error: messageOf(error), delayMs }, "reconcile threw");
    }
  }

  /**
   * A reconcile that goes on past its deadline must not be joined by a second one, so its key is kept until it has ended;
   * or until a little after the controller is aborted: all its calls fail then, and the next leadership must not wait.
   */
  #release(key: Key, work: Promise<unknown>, queue: WorkQueue, abort: AbortSignal): void {
    const { clock } = this.#options;
    let cancel = () => {};
    const release = () => {
      cancel();
      cancel = () => {};
      abort.removeEventListener("abort", onAbort);
      queue.done(key);
    };
    const onAbort = () => {
      cancel = clock.after(ABORT_GRACE_MS, release);
    };
    if (abort.aborted) onAbort();
    else abort.addEventListener("abort", onAbort, { once: true });
    void work.then(release, release);
  }
}

/** What `work` gives, or the signal's reason once that aborts, though the work may not have noticed. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
