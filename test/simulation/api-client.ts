import { between, type Random } from "#base/random.ts";
import type { ApplyDraft, CallOptions, Client, Page } from "../../operator/kube/client.ts";
import { KubeError } from "../../operator/kube/kube-error.ts";
import { idOf, type Kind, type KubeObject, keyOf, type Ref } from "../../operator/kube/resource.ts";
import { retryDelay } from "../../operator/kube/retry.ts";
import type { ApiServer } from "./api-server.ts";
import type { SimProcess } from "./process.ts";
import type { Timeline } from "./timeline.ts";

/** How the API server answers just now; shares of requests. */
export interface Weather {
  down: boolean;
  tooMany: number;
  error: number;
  /** The connection breaks after the server has done what was asked. */
  lostAnswer: number;
  slow: boolean;
}

export const FAIR: Readonly<Weather> = { down: false, tooMany: 0, error: 0, lostAnswer: 0, slow: false };

export interface ApiClientOptions {
  readonly timeline: Timeline;
  readonly random: Random;
  readonly server: ApiServer;
  readonly weather: Weather;
  readonly process: SimProcess;
  readonly trace: (say: () => string) => void;
}

/** The newest version of each object that a process has heard of, and therefore the newest it can have computed from. */
export class Heard {
  readonly #versions = new Map<string, number>();

  note(kind: string, object: KubeObject): void {
    const id = `${kind}/${keyOf(object)}`;
    this.#versions.set(id, Math.max(this.of(kind, keyOf(object)), Number(object.metadata.resourceVersion)));
  }

  of(kind: string, key: string): number {
    return this.#versions.get(`${kind}/${key}`) ?? 0;
  }
}

/** Who writes just now, and from which version at the newest; for the invariants. */
export const writing: { replica: string; basis: number } = { replica: "", basis: 0 };

/** As HttpClient, with its retries, over a wire and a server that may do anything but lie. */
export class ApiClient implements Client {
  readonly heard = new Heard();
  /** Requests that reached the server. */
  requests = 0;
  readonly #options: ApiClientOptions;

  constructor(options: ApiClientOptions) {
    this.#options = options;
  }

  get<T extends KubeObject>(kind: Kind<T>, ref: Ref, options?: CallOptions): Promise<T> {
    return this.#call(
      `get ${kind.plural} ${ref.name}`,
      true,
      kind,
      options,
      (server) => server.get(kind, ref) as T & KubeObject,
    );
  }

  list<T extends KubeObject>(): Promise<Page<T>> {
    throw new Error("the simulation's caches do not list through the client");
  }

  create<T extends KubeObject>(kind: Kind<T>, draft: { metadata: object }, options?: CallOptions): Promise<T> {
    const ref = draft.metadata as Ref;
    return this.#call(
      `create ${kind.plural} ${ref.name}`,
      false,
      kind,
      options,
      (server) => server.create(kind, draft) as T & KubeObject,
    );
  }

  update<T extends KubeObject>(): Promise<T> {
    throw new Error("nothing that is simulated updates whole objects");
  }

  patch<T extends KubeObject>(): Promise<T> {
    throw new Error("nothing that is simulated patches objects");
  }

  apply<T extends KubeObject>(
    kind: Kind<T>,
    draft: ApplyDraft,
    options: CallOptions & { readonly manager: string },
  ): Promise<T> {
    const ref = draft.metadata as Ref;
    const basis = this.heard.of(idOf(kind), keyOf({ metadata: ref }));
    const what = `apply ${options.manager} ${kind.plural} ${ref.name}`;
    return this.#call(what, true, kind, options, (server) => {
      writing.replica = this.#options.process.name;
      writing.basis = basis;
      return server.applyStatus(kind, draft, options.manager) as T & KubeObject;
    });
  }

  async delete<T extends KubeObject>(
    kind: Kind<T>,
    ref: Ref,
    options: CallOptions & { uid?: string } = {},
  ): Promise<void> {
    await this.#call(`delete ${kind.plural} ${ref.name}`, true, kind, options, (server) => {
      server.delete(kind, keyOf({ metadata: ref }), options.uid);
      return undefined;
    });
  }

  async #call<R extends KubeObject | undefined>(
    what: string,
    idempotent: boolean,
    kind: Kind<KubeObject>,
    options: CallOptions | undefined,
    work: (server: ApiServer) => R,
  ): Promise<R> {
    for (let attempt = 1; ; attempt++) {
      try {
        const answer = await this.#exchange(what, options ?? {}, work);
        if (answer !== undefined) this.heard.note(idOf(kind), answer);
        return answer;
      } catch (error) {
        const delay =
          options?.retry === false ? undefined : retryDelay(error, attempt, idempotent, this.#options.random);
        if (delay === undefined) throw error;
        await this.#options.process.sleep(delay, options?.signal);
      }
    }
  }

  /** One request. Who is killed or stopped meanwhile may well have been heard. */
  #exchange<R>(what: string, { signal, timeoutMs = 30_000 }: CallOptions, work: (server: ApiServer) => R): Promise<R> {
    const { timeline, random, server, weather, process, trace } = this.#options;
    return new Promise<R>((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      if (!process.alive) return;
      const onAbort = () => finish(() => reject(signal?.reason));
      const cancelTimeout = process.after(timeoutMs, () =>
        finish(() => reject(new KubeError(0, "Timeout", `${what}: no answer`))),
      );
      const finish = (end: () => void) => {
        cancelTimeout();
        signal?.removeEventListener("abort", onAbort);
        end();
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      const oneWay = () => (weather.slow ? between(random, 50, 20_000) : between(random, 0.5, 15));
      const answer = (end: () => void) => timeline.at(oneWay(), () => process.enter(() => finish(end)));
      const refuse = (error: KubeError) => {
        trace(() => `${process.name}: ${what}: ${error.status} ${error.reason}`);
        answer(() => reject(error));
      };
      timeline.at(oneWay(), () => {
        this.requests++;
        const chance = random.next();
        if (weather.down) return refuse(new KubeError(0, "Unreachable", `${what}: nobody answers`));
        if (chance < weather.tooMany) {
          return refuse(new KubeError(429, "TooManyRequests", what, { retryAfterMs: 1000 }));
        }
        if (chance < weather.tooMany + weather.error) return refuse(new KubeError(500, "InternalError", what));
        const lost = chance < weather.tooMany + weather.error + weather.lostAnswer;
        try {
          const result = work(server);
          trace(() => `${process.name}: ${what}${lost ? " (the answer is lost)" : ""}`);
          if (lost) answer(() => reject(new KubeError(0, "Unreachable", `${what}: the connection broke`)));
          else answer(() => resolve(result));
        } catch (error) {
          if (!(error instanceof KubeError)) throw error;
          refuse(error);
        }
      });
    });
  }
}
