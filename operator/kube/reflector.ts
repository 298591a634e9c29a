import { setImmediate as nextTurn } from "node:timers/promises";
import type { Clock } from "#base/clock.ts";
import { messageOf } from "#base/errors.ts";
import { between, type Random } from "#base/random.ts";
import { Backoff } from "./backoff.ts";
import type { ListQuery, WatchClient } from "./client.ts";
import { isGone, isTransient, KubeError } from "./kube-error.ts";
import type { Log } from "./log.ts";
import type { KubeMetrics } from "./metrics.ts";
import { type Key, type Kind, type KubeObject, keyOf } from "./resource.ts";
import { LineDecoder, parseResourceVersion, parseWatchEvent } from "./watch-lines.ts";

/** client-go's numbers, but for the silence: bookmarks come every minute, so two and a half without one is a dead peer. */
export const REFLECTOR_TIMING = {
  page: 500,
  backoff: { firstMs: 800, factor: 2, longestMs: 30_000, forgetAfterMs: 120_000 },
  watchSeconds: [300, 600] as readonly [number, number],
  silenceMs: 150_000,
  /** Of one page of a list. */
  listTimeoutMs: 60_000,
  /** A watch that ends sooner than this, and without an event, has failed. */
  shortestWatchMs: 1_000,
};

/** Where a reflector puts what it hears. Calls never overlap. */
export interface Sink<T> {
  /** The object is there now, in this version. */
  present(object: T): void;
  /** The object is gone; `object` is its last state. */
  gone(object: T): void;
  /** A list is complete: what is not in `keys` is gone. */
  listed(keys: ReadonlySet<Key>): void;
}

/** The moment of a write, in the reflector's terms: see hasSeen. */
export interface Mark {
  readonly resourceVersion: bigint;
  readonly listsBegun: number;
}

/**
 * Keeps a sink equal to what the API server has of one kind (in one namespace or in all): LIST, then WATCH from there,
 * for ever. Nothing but its signal ends it: whatever fails is tried again, with backoff.
 */
export class Reflector<T extends KubeObject> {
  readonly #client: WatchClient;
  readonly #kind: Kind<T>;
  readonly #query: ListQuery;
  readonly #sink: Sink<T>;
  readonly #transform: (object: T) => T;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Log;
  readonly #metrics: KubeMetrics;
  readonly #timing: typeof REFLECTOR_TIMING;
  readonly #labels: { kind: string; namespace: string };
  /** Of the metrics that client-go has too. */
  readonly #named: { name: string; namespace: string };
  readonly #waiting = new Set<{ mark: Mark; run: () => void }>();
  /** The resourceVersion to watch from; undefined when only a list can tell. */
  #from: string | undefined;
  #seen = 0n;
  #listsBegun = 0;
  /** The number, by #listsBegun, of the last list that was completed; 0 before. */
  #listDone = 0;
  #heardAt: number | undefined;

  constructor(options: {
    readonly client: WatchClient;
    readonly kind: Kind<T>;
    readonly query: ListQuery;
    readonly sink: Sink<T>;
    readonly transform: (object: T) => T;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Log;
    readonly metrics: KubeMetrics;
    readonly timing: typeof REFLECTOR_TIMING;
  }) {
    this.#client = options.client;
    this.#kind = options.kind;
    this.#query = options.query;
    this.#sink = options.sink;
    this.#transform = options.transform;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#metrics = options.metrics;
    this.#timing = options.timing;
    this.#labels = { kind: options.kind.plural, namespace: options.query.namespace ?? "" };
    this.#named = { name: options.kind.plural, namespace: this.#labels.namespace };
    this.#log = options.log.child(this.#labels);
  }

  /** The first list is in the sink. */
  get hasSynced(): boolean {
    return this.#listDone > 0;
  }

  /** A mark for a write whose answer came just now. */
  mark(resourceVersion: string): Mark {
    return { resourceVersion: parseResourceVersion(resourceVersion), listsBegun: this.#listsBegun };
  }

  /**
   * Whether the sink knows everything up to the mark: the newest resourceVersion heard of the kind, of any object or of
   * a bookmark, so that the deletion of the written object cannot stall its writer; or a whole list begun after the
   * write, so that neither can an etcd restored to an older revision.
   */
  hasSeen(mark: Mark): boolean {
    return this.#seen >= mark.resourceVersion || this.#listDone > mark.listsBegun;
  }

  /** Calls `run` once the mark is seen; at once when it is. */
  whenSeen(mark: Mark, run: () => void): void {
    if (this.hasSeen(mark)) run();
    else this.#waiting.add({ mark, run });
  }

  /** Ends, without an error, when the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(this.#timing.backoff, this.#random);
    const sample = (gauge: { set(labels: { kind: string; namespace: string }, value: number): void }) => {
      if (this.#heardAt !== undefined) gauge.set(this.#labels, (this.#clock.monotonic() - this.#heardAt) / 1000);
    };
    this.#metrics.staleness.add(sample);
    this.#from = undefined;
    while (!signal.aborted) {
      try {
        this.#from ??= await this.#list(signal);
        await this.#watch(this.#from, signal);
      } catch (error) {
        if (signal.aborted) break;
        this.#metrics.healthy.set(this.#labels, 0);
        if (!keepsPlace(error)) this.#from = undefined;
        await this.#failed(error, backoff, signal);
      }
    }
    this.#metrics.staleness.delete(sample);
    this.#waiting.clear();
  }

  async #failed(error: unknown, backoff: Backoff, signal: AbortSignal): Promise<void> {
    const retryAfterMs = error instanceof KubeError ? (error.retryAfterMs ?? 0) : 0;
    const delayMs = Math.round(Math.max(backoff.next(this.#clock.monotonic()), Math.min(retryAfterMs, 30_000)));
    const code = error instanceof KubeError ? error.code : "unexpected";
    this.#metrics.watchFailures.inc({ ...this.#labels, code });
    const level = isGone(error) ? "info" : "warn";
    this.#log[level]({ code, error: messageOf(error), delayMs }, "list or watch failed; trying again");
    await this.#clock.sleep(delayMs, signal).catch(() => {});
  }

  /** Brings the sink to the state of one moment; the resourceVersion of that moment. */
  async #list(signal: AbortSignal): Promise<string> {
    const begun = ++this.#listsBegun;
    const started = this.#clock.monotonic();
    this.#metrics.lists.inc(this.#named);
    if (this.hasSynced) this.#metrics.relists.inc(this.#labels);
    const keys = new Set<Key>();
    let next: string | undefined;
    do {
      const page = await this.#client.list(
        this.#kind,
        { ...this.#query, limit: this.#timing.page, continue: next },
        { signal, retry: false, timeoutMs: this.#timing.listTimeoutMs },
      );
      this.#heard();
      for (const item of page.items) {
        keys.add(keyOf(item));
        this.#sink.present(this.#transform(item));
      }
      next = page.continue;
      if (next === undefined) {
        this.#sink.listed(keys);
        this.#listDone = begun;
        this.#metrics.listSeconds.observe(this.#named, (this.#clock.monotonic() - started) / 1000);
        this.#metrics.itemsPerList.observe(this.#named, keys.size);
        this.#advance(parseResourceVersion(page.resourceVersion));
        return page.resourceVersion;
      }
      // Handlers of a large list run in slices: sockets and timers get their turn between pages.
      await nextTurn();
    } while (!signal.aborted);
    throw signal.reason;
  }

  /** Ends when the server ends the watch, as it does after timeoutSeconds. */
  async #watch(from: string, signal: AbortSignal): Promise<void> {
    const { watchSeconds, silenceMs, shortestWatchMs } = this.#timing;
    const timeoutSeconds = Math.round(between(this.#random, ...watchSeconds));
    const started = this.#clock.monotonic();
    this.#metrics.watches.inc(this.#named);
    let events = 0;
    using silence = new Silence(this.#clock, silenceMs, signal, this.#labels.kind);
    const query = { ...this.#query, resourceVersion: from, timeoutSeconds };
    try {
      const body = await this.#client.watch(this.#kind, query, silence.signal);
      this.#metrics.healthy.set(this.#labels, 1);
      const lines = new LineDecoder();
      for await (const chunk of body as AsyncIterable<Buffer>) {
        silence.broken();
        this.#heard();
        for (const line of lines.push(chunk)) {
          events++;
          this.#take(line);
        }
      }
    } catch (error) {
      if (silence.signal.aborted) throw silence.signal.reason;
      if (error instanceof KubeError) throw error;
      throw new KubeError(0, "Unreachable", `watch ${this.#labels.kind}: cut: ${messageOf(error)}`, { cause: error });
    }
    const lived = this.#clock.monotonic() - started;
    if (events === 0 && lived < shortestWatchMs) {
      this.#metrics.shortWatches.inc(this.#named);
      throw new KubeError(
        0,
        "Unreachable",
        `watch ${this.#labels.kind}: ended after ${Math.round(lived)} ms without an event`,
      );
    }
  }

  #take(line: string): void {
    const event = parseWatchEvent<T>(line);
    if (event.type === "DELETED") this.#sink.gone(this.#transform(event.object));
    else if (event.type !== "BOOKMARK") this.#sink.present(this.#transform(event.object));
    this.#from = String(event.resourceVersion);
    this.#advance(event.resourceVersion);
  }

  #heard(): void {
    this.#heardAt = this.#clock.monotonic();
    this.#metrics.lastSync.set(this.#labels, this.#clock.now() / 1000);
  }

  #advance(resourceVersion: bigint): void {
    this.#seen = resourceVersion;
    this.#metrics.lastVersion.set(this.#named, Number(resourceVersion));
    for (const waiter of this.#waiting) {
      if (!this.hasSeen(waiter.mark)) continue;
      this.#waiting.delete(waiter);
      waiter.run();
    }
  }
}

/**
 * Whether the watch may go on where it was. What passes by itself leaves the place in the history valid; but 504 is also
 * the answer for a resourceVersion the server has not reached (an etcd restored to an older revision), and after
 * anything else, too, only a list is safe.
 */
function keepsPlace(error: unknown): boolean {
  return isTransient(error) && (error as KubeError).status !== 504;
}

/** Cuts a watch that says nothing: a peer that vanished without a word would otherwise be waited for, for ever. */
class Silence implements Disposable {
  readonly #controller = new AbortController();
  readonly #parent: AbortSignal;
  readonly #onAbort = () => this.#controller.abort(this.#parent.reason);
  readonly #clock: Clock;
  #since: number;
  #cancel: () => void = () => {};

  constructor(clock: Clock, limitMs: number, parent: AbortSignal, kind: string) {
    this.#clock = clock;
    this.#parent = parent;
    this.#since = clock.monotonic();
    if (parent.aborted) this.#onAbort();
    parent.addEventListener("abort", this.#onAbort, { once: true });
    const check = () => {
      const left = this.#since + limitMs - clock.monotonic();
      if (left > 0) this.#cancel = clock.after(left, check);
      else this.#controller.abort(new KubeError(0, "Timeout", `watch ${kind}: silent for ${limitMs} ms`));
    };
    check();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  broken(): void {
    this.#since = this.#clock.monotonic();
  }

  [Symbol.dispose](): void {
    this.#cancel();
    this.#parent.removeEventListener("abort", this.#onAbort);
  }
}
