import type { Readable } from "node:stream";
import type { Clock } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import type { Connection } from "./connection.ts";
import { KubeError } from "./kube-error.ts";
import type { Log } from "./log.ts";
import type { KubeMetrics } from "./metrics.ts";
import {
  apiVersionOf,
  type Draft,
  idOf,
  type Kind,
  type KubeObject,
  Leases,
  pathOf,
  type Ref,
  Secrets,
} from "./resource.ts";
import { retryDelay } from "./retry.ts";
import { type HttpRequest, Transport } from "./transport.ts";

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Of one attempt, the wait for a free connection apart; default 30 s. */
  readonly timeoutMs?: number;
  /** Default true; false for those who decide themselves when to try again. */
  readonly retry?: boolean;
}

export interface WriteOptions extends CallOptions {
  readonly subresource?: "status";
}

export interface ListQuery {
  /** All namespaces when absent. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
}

export interface PageQuery extends ListQuery {
  /** Default 500. */
  readonly limit?: number;
  /** `continue` of the page before. */
  readonly continue?: string | undefined;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** Of the moment the first page was read; the same on every page. */
  readonly resourceVersion: string;
  /** Present while there are more pages. A 410 (isGone) on using it: the moment is forgotten, begin again. */
  readonly continue: string | undefined;
}

/**
 * The API server for controllers, typed by kind. Every method throws KubeError, or the signal's reason once that
 * aborts. 429, 5xx and broken connections are retried with jittered backoff as far as that is safe; see retry.ts.
 */
export interface Client {
  get<T extends KubeObject>(kind: Kind<T>, ref: Ref, options?: CallOptions): Promise<T>;
  /** One page, read from the quorum (no resourceVersion is sent). */
  list<T extends KubeObject>(kind: Kind<T>, query?: PageQuery, options?: CallOptions): Promise<Page<T>>;
  /**
   * Not repeated after a broken connection, since the first may have been heard. With a deterministic name treat
   * isAlreadyExists as done (and look whose it is). The server drops `status` on create.
   */
  create<T extends KubeObject>(kind: Kind<T>, draft: Draft<T>, options?: CallOptions): Promise<T>;
  /** Replaces the whole object; conflict when it has changed since `object` was read. */
  update<T extends KubeObject>(kind: Kind<T>, object: T, options?: WriteOptions): Promise<T>;
  /** JSON merge patch (RFC 7386): null deletes a field, lists are replaced. */
  patch<T extends KubeObject>(kind: Kind<T>, ref: Ref, patch: object, options?: WriteOptions): Promise<T>;
  /**
   * Server-side apply of the complete set of fields `manager` wants to own: what it owned and leaves out is removed.
   * Forced, as a controller should (a conflict would otherwise need a human): the fields become the manager's. Put uid
   * and resourceVersion of the object it was computed from into the draft's metadata, or a deleted object is created
   * again and a newer one overwritten. For statuses use applyStatus (apply.ts).
   */
  apply<T extends KubeObject>(
    kind: Kind<T>,
    draft: ApplyDraft,
    options: WriteOptions & { readonly manager: string },
  ): Promise<T>;
  /** Done when accepted: finalizers may keep the object. With uid it is that very object or isConflict. */
  delete<T extends KubeObject>(
    kind: Kind<T>,
    ref: Ref,
    options?: CallOptions & {
      readonly uid?: string;
      readonly resourceVersion?: string;
      readonly propagation?: "Background" | "Foreground" | "Orphan";
    },
  ): Promise<void>;
}

/** Any part of an object: server-side apply takes what is there. */
export interface ApplyDraft {
  readonly metadata: Draft<KubeObject>["metadata"] & { readonly name: string };
  readonly [field: string]: unknown;
}

/** What a reflector needs besides. */
export interface WatchClient extends Client {
  /** Lines of JSON watch events, until the server ends them or the signal aborts. No timeouts, no retries. */
  watch(
    kind: Kind<KubeObject>,
    query: ListQuery & { readonly resourceVersion: string; readonly timeoutSeconds: number },
    signal: AbortSignal,
  ): Promise<Readable>;
}

const TIMEOUT_MS = 30_000;
const PAGE = 500;

type Call = Omit<HttpRequest, "sensitive" | "urgent" | "what"> & {
  readonly kind: Kind<KubeObject>;
  readonly on: string;
};

export class HttpClient implements WatchClient {
  readonly #transport: Transport;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Log;
  readonly #metrics: KubeMetrics;
  readonly #host: string;

  /** `userAgent`: holdfast/<version>; the API server also names the manager of plain writes after its first part. */
  constructor(options: {
    readonly connection: Connection;
    readonly userAgent: string;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Log;
    readonly metrics: KubeMetrics;
  }) {
    this.#transport = new Transport(options);
    this.#clock = options.clock;
    this.#random = options.random;
    this.#log = options.log;
    this.#metrics = options.metrics;
    this.#host = options.connection.server.host;
  }

  async get<T extends KubeObject>(kind: Kind<T>, ref: Ref, options?: CallOptions): Promise<T> {
    return this.#object(await this.#call({ kind, verb: "get", method: "GET", ...this.#at(kind, ref) }, true, options));
  }

  async list<T extends KubeObject>(kind: Kind<T>, query: PageQuery = {}, options?: CallOptions): Promise<Page<T>> {
    const { namespace, limit = PAGE, ...rest } = query;
    const path = pathOf(kind, namespace) + search({ ...rest, limit });
    const on = namespace ?? "all namespaces";
    const answer = await this.#call({ kind, verb: "list", method: "GET", path, on }, true, options);
    const { items, metadata } = answer as {
      items?: unknown;
      metadata?: { resourceVersion?: unknown; continue?: unknown };
    };
    if (!Array.isArray(items) || typeof metadata?.resourceVersion !== "string") {
      throw new KubeError(200, "BadResponse", `list ${kind.plural} ${on}: the answer is not a list`);
    }
    const { resourceVersion } = metadata;
    const next = typeof metadata.continue === "string" && metadata.continue !== "" ? metadata.continue : undefined;
    // Items of a list carry neither.
    for (const item of items) Object.assign(item, { apiVersion: apiVersionOf(kind), kind: kind.kind });
    return { items, resourceVersion, continue: next };
  }

  async create<T extends KubeObject>(kind: Kind<T>, draft: Draft<T>, options?: CallOptions): Promise<T> {
    const { namespace, name, generateName } = draft.metadata;
    const path = pathOf(kind, namespace);
    const on = `${namespace ?? ""}/${name ?? generateName ?? ""}`;
    const call = { kind, verb: "create", method: "POST", path, on, ...json(kind, draft) } as const;
    return this.#object(await this.#call(call, false, options));
  }

  async update<T extends KubeObject>(kind: Kind<T>, object: T, options?: WriteOptions): Promise<T> {
    const at = this.#at(kind, object.metadata, options?.subresource);
    return this.#object(
      await this.#call({ kind, verb: "update", method: "PUT", ...at, ...json(kind, object) }, true, options),
    );
  }

  async patch<T extends KubeObject>(kind: Kind<T>, ref: Ref, patch: object, options?: WriteOptions): Promise<T> {
    const at = this.#at(kind, ref, options?.subresource);
    const body = { body: JSON.stringify(patch), contentType: "application/merge-patch+json" };
    return this.#object(await this.#call({ kind, verb: "patch", method: "PATCH", ...at, ...body }, true, options));
  }

  async apply<T extends KubeObject>(
    kind: Kind<T>,
    draft: ApplyDraft,
    options: WriteOptions & { readonly manager: string },
  ): Promise<T> {
    const at = this.#at(kind, draft.metadata, options.subresource);
    const path = at.path + search({ fieldManager: options.manager, force: true });
    const body = { ...json(kind, draft), contentType: "application/apply-patch+yaml" };
    return this.#object(
      await this.#call({ kind, verb: "apply", method: "PATCH", ...at, ...body, path }, true, options),
    );
  }

  async delete<T extends KubeObject>(
    kind: Kind<T>,
    ref: Ref,
    options: CallOptions & { uid?: string; resourceVersion?: string; propagation?: string } = {},
  ): Promise<void> {
    const { uid, resourceVersion, propagation } = options;
    const body = JSON.stringify({
      apiVersion: "v1",
      kind: "DeleteOptions",
      preconditions: { uid, resourceVersion },
      propagationPolicy: propagation,
    });
    const at = this.#at(kind, ref);
    await this.#call(
      { kind, verb: "delete", method: "DELETE", ...at, body, contentType: "application/json" },
      true,
      options,
    );
  }

  watch(
    kind: Kind<KubeObject>,
    query: ListQuery & { readonly resourceVersion: string; readonly timeoutSeconds: number },
    signal: AbortSignal,
  ): Promise<Readable> {
    const { namespace, ...rest } = query;
    const path = pathOf(kind, namespace) + search({ ...rest, watch: true, allowWatchBookmarks: true });
    const what = `watch ${kind.plural} in ${namespace ?? "all namespaces"}`;
    return this.#transport.stream(
      { method: "GET", verb: "watch", path, what, sensitive: false, urgent: false },
      signal,
    );
  }

  /** Cuts everything that is under way. */
  close(): Promise<void> {
    return this.#transport.close();
  }

  #at(kind: Kind<KubeObject>, ref: Ref, subresource?: string): { path: string; on: string } {
    if (ref.name === "" || (kind.namespaced && !ref.namespace)) {
      throw new KubeError(400, "BadRequest", `${kind.kind} needs ${kind.namespaced ? "a namespace and " : ""}a name`);
    }
    const path = pathOf(kind, ref.namespace, ref.name, subresource);
    return { path, on: ref.namespace === undefined ? ref.name : `${ref.namespace}/${ref.name}` };
  }

  async #call({ kind, on, ...request }: Call, idempotent: boolean, options: CallOptions = {}): Promise<unknown> {
    const what = `${request.verb} ${kind.plural} ${on}`;
    // Secrets, and the tokens in TokenReviews.
    const sensitive = idOf(kind) === idOf(Secrets) || kind.group === "authentication.k8s.io";
    const urgent = idOf(kind) === idOf(Leases);
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#transport.exchange(
          { ...request, what, sensitive, urgent },
          options.timeoutMs ?? TIMEOUT_MS,
          options.signal,
        );
      } catch (error) {
        const delay = options.retry === false ? undefined : retryDelay(error, attempt, idempotent, this.#random);
        if (delay === undefined) throw error;
        this.#metrics.retries.inc({
          code: (error as KubeError).status || "<error>",
          verb: request.verb,
          host: this.#host,
        });
        this.#log.debug(
          { what, attempt, delayMs: Math.round(delay), code: (error as KubeError).code },
          "request retried",
        );
        await this.#clock.sleep(delay, options.signal);
      }
    }
  }

  #object<T extends KubeObject>(answer: unknown): T {
    if (typeof answer === "object" && answer !== null && "metadata" in answer) return answer as T;
    throw new KubeError(200, "BadResponse", "the answer of the API server is not an object with metadata");
  }
}

function json(kind: Kind<KubeObject>, object: object): { body: string; contentType: string } {
  const body = JSON.stringify({ ...object, apiVersion: apiVersionOf(kind), kind: kind.kind });
  return { body, contentType: "application/json" };
}

function search(query: Record<string, string | number | boolean | undefined>): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) params.set(name, String(value));
  return `?${params}`;
}
