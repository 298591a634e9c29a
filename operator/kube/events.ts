import { randomBytes } from "node:crypto";
import type { Clock } from "#base/clock.ts";
import { messageOf } from "#base/errors.ts";
import type { Client } from "./client.ts";
import { type Series, SeriesBook } from "./event-series.ts";
import { type Held, StormGuard } from "./event-storm.ts";
import { isNotFound } from "./kube-error.ts";
import type { Log } from "./log.ts";
import type { KubeMetrics } from "./metrics.ts";
import { microTime } from "./micro-time.ts";
import {
  type Draft,
  type Event,
  Events,
  type Kind,
  type KubeObject,
  type ObjectReference,
  referenceTo,
} from "./resource.ts";
import { TokenBucket } from "./token-bucket.ts";

export interface EventNote {
  readonly type: "Normal" | "Warning";
  /** Why, for machines: CamelCase, the same for every occurrence. */
  readonly reason: string;
  /** What was done or tried: CamelCase. */
  readonly action: string;
  /** For people; the first 1024 bytes are kept. Never holds a secret. */
  readonly note: string;
  /** Tells occurrences of one reason apart: those with another cause are another Event. */
  readonly cause?: string;
  /** What else it is about: the Host of a run, the run of a Host. */
  readonly related?: ObjectReference;
}

interface Waiting {
  readonly key: string;
  readonly series: Series;
  readonly draft: Draft<Event>;
  readonly plural: string;
}

/** Events waiting to be written; more are dropped and counted. */
const WAITING = 256;
const TICK_MS = 10_000;
/** Bytes, by events.k8s.io. */
const LONGEST_NOTE = 1024;

/**
 * Tells people what happened to an object, as events.k8s.io/v1 Events (needs create and patch on events.k8s.io events).
 * Best effort: never blocks, never throws, repeats are counted in a series, many objects with one trouble are told
 * together, at most 5 writes a second. Nothing may depend on an Event having been written; what must be known is in a
 * status.
 */
export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #book = new SeriesBook();
  /** What was never written is no series: if it happens again after the storm, it is told. */
  readonly #storms = new StormGuard<Waiting>(({ key }) => this.#book.forget(key));
  readonly #bucket: TokenBucket;
  readonly #waiting: Waiting[] = [];
  #wake: () => void = () => {};

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#bucket = new TokenBucket({ perSecond: 5, burst: 25, clock: options.clock });
  }

  record<T extends KubeObject>(kind: Kind<T>, object: T, note: EventNote): void {
    const { clock } = this.#options;
    const { uid, namespace = "" } = object.metadata;
    const key = [uid, note.type, note.reason, note.action, note.cause ?? ""].join("/");
    const series = this.#book.observe(key, clock.now(), clock.monotonic());
    if (series.count > 1) return;
    const group = [namespace, kind.plural, note.type, note.reason].join("/");
    const waiting = { key, series, draft: this.#draft(kind, object, note), plural: kind.plural };
    if (this.#storms.admit(group, waiting, clock.now(), clock.monotonic())) this.#push(waiting);
  }

  #push(waiting: Waiting): void {
    if (this.#waiting.length >= WAITING) {
      this.#book.forget(waiting.key);
      this.#options.metrics.eventsDropped.inc({ reason: "queue-full" });
      return;
    }
    this.#waiting.push(waiting);
    this.#wake();
  }

  /** Writes what is recorded, until the signal aborts; what still waits then is dropped. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      for (const held of this.#storms.due(clock.monotonic())) this.#push(forAll(held));
      for (let next = this.#waiting.shift(); next !== undefined && !signal.aborted; next = this.#waiting.shift()) {
        await this.#create(next, signal);
      }
      for (const [key, series] of this.#book.due(clock.monotonic())) await this.#count(key, series, signal);
      if (this.#waiting.length === 0) await this.#pause(signal);
    }
  }

  /** Until something is recorded, or the counts may be due. */
  async #pause(signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    // Of both, because `signal` may have aborted during the last write already.
    await this.#options.clock.sleep(TICK_MS, AbortSignal.any([signal, woken.signal])).catch(() => {});
    this.#wake = () => {};
  }

  async #create(waiting: Waiting, signal: AbortSignal): Promise<void> {
    await this.#write(signal, waiting.key, async () => {
      const event = await this.#options.client.create(Events, waiting.draft, { signal, retry: false });
      waiting.series.name = `${event.metadata.namespace}/${event.metadata.name}`;
    });
  }

  async #count(key: string, series: Series, signal: AbortSignal): Promise<void> {
    const [namespace, name] = (series.name ?? "").split("/") as [string, string];
    const patch = { series: { count: series.count, lastObservedTime: microTime(series.lastObserved) } };
    await this.#write(signal, key, () =>
      this.#options.client.patch(Events, { namespace, name }, patch, { signal, retry: false }),
    );
  }

  async #write(signal: AbortSignal, key: string, write: () => Promise<unknown>): Promise<void> {
    const { clock, log, metrics } = this.#options;
    try {
      for (let wait = this.#bucket.take(); wait > 0; wait = this.#bucket.take()) await clock.sleep(wait, signal);
      await write();
    } catch (error) {
      this.#book.forget(key); // the next occurrence begins again
      if (signal.aborted || isNotFound(error)) return;
      metrics.eventsDropped.inc({ reason: "refused" });
      log.debug({ error: messageOf(error) }, "an Event was not written");
    }
  }

  #draft<T extends KubeObject>(kind: Kind<T>, object: T, note: EventNote): Draft<Event> {
    const { component, identity, clock } = this.#options;
    const { namespace, name } = object.metadata;
    const base = name.slice(0, 200).replace(/[^a-z0-9]+$/, "");
    return {
      // Events of cluster-scoped objects live in "default".
      metadata: { namespace: namespace ?? "default", name: `${base}.${randomBytes(8).toString("hex")}` },
      eventTime: microTime(clock.now()),
      type: note.type,
      reason: note.reason.slice(0, 128),
      action: note.action.slice(0, 128),
      note: clip(note.note, LONGEST_NOTE),
      regarding: referenceTo(kind, object),
      ...(note.related && { related: note.related }),
      reportingController: component,
      reportingInstance: identity.slice(0, 128),
    };
  }
}

/** The newest of those that were held back, with a word of the others. */
function forAll({ newest, count, since }: Held<Waiting>): Waiting {
  if (count === 1) return newest;
  const { draft, plural } = newest;
  const from = `${new Date(since).toISOString().slice(0, 19)}Z`;
  const others = ` (${count - 1} more like this since ${from}: kubectl get ${plural})`;
  return { ...newest, draft: { ...draft, note: clip(draft.note, LONGEST_NOTE - Buffer.byteLength(others)) + others } };
}

/** The API server counts bytes of UTF-8, and a character cut in two is none. */
function clip(text: string, bytes: number): string {
  return Buffer.from(text)
    .subarray(0, bytes)
    .toString("utf8")
    .replace(/\uFFFD$/, "");
}

export interface EventRecorderOptions {
  readonly client: Client;
  /** A qualified name: holdfast.dev/operator. */
  readonly component: string;
  readonly identity: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: KubeMetrics;
}
