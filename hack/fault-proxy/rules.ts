import { HoldfastError } from "#base/errors.ts";
import type { KubeRequest } from "./kube-request.ts";

/** Which requests: those equal in each field that is given, or those the function says. */
export type Match = Partial<Omit<KubeRequest, "query">> | ((request: KubeRequest) => boolean);

/** A moment in the way of a request; what is awaited here holds the request up. */
type Moment = (request: KubeRequest) => Promise<void> | void;

/** What happens to a request. Several rules may meet one request: then in the order in which they were added. */
export type Fault =
  /** Answers in the API server's place, which never hears of it; body is a metav1.Status. */
  | { readonly answer: { readonly status: number; readonly reason?: string; readonly retryAfterSeconds?: number } }
  /** Waits before it forwards. */
  | { readonly delayMs: number }
  /** Neither forwards nor answers; the connection stays open. */
  | { readonly hang: true }
  /**
   * Resets the connection, with everything else on it: before it forwards, or after the API server has answered (the write
   * happened, the client does not know).
   */
  | { readonly cut: "before" | "after" }
  | { readonly before: Moment }
  /** Once the API server has answered (all of it; of a watch the head), before the client hears of it. */
  | { readonly after: Moment }
  /** Passes the head of the answer on and then nothing, open watches included: their events are lost. */
  | { readonly silent: true }
  /** Passes half of the next chunk of the body on, then ends the answer as if that were all, or resets the connection. */
  | { readonly truncate: "end" | "reset" }
  /** Puts a line of this many bytes before the next chunk of the body. */
  | { readonly oversizeBytes: number }
  | { readonly bytesPerSecond: number };

type SortOfFault = Fault extends infer F ? (F extends unknown ? keyof F : never) : never;

export interface Rule extends Disposable {
  /** How many requests (of `silent`, `truncate`, `oversizeBytes`: chunks) it has met. */
  readonly hits: number;
  /** Takes the rule away; what it holds up stays so. The same as disposing of it. */
  remove(): void;
}

interface Entry {
  readonly match: (request: KubeRequest) => boolean;
  readonly fault: Fault;
  left: number;
  hits: number;
}

/** The rules in force, which change while requests are under way. */
export class Rules {
  readonly #entries = new Set<Entry>();

  /** `times`: after so many hits it takes itself away; default never. */
  add(match: Match, fault: Fault, times = Number.POSITIVE_INFINITY): Rule {
    if (!(times >= 1)) throw new HoldfastError("fault-proxy/rule", `a rule for ${times} requests does nothing`);
    const entry: Entry = { match: matcher(match), fault, left: times, hits: 0 };
    this.#entries.add(entry);
    const remove = () => void this.#entries.delete(entry);
    return {
      get hits() {
        return entry.hits;
      },
      remove,
      [Symbol.dispose]: remove,
    };
  }

  clear(): void {
    this.#entries.clear();
  }

  /** The faults of these sorts that meet this request now, in the order they were added; each is counted as a hit. */
  take(request: KubeRequest, sorts: readonly SortOfFault[]): Fault[] {
    const met = [...this.#entries].filter(({ fault, match }) => sorts.some((sort) => sort in fault) && match(request));
    for (const entry of met) {
      entry.hits++;
      if (--entry.left <= 0) this.#entries.delete(entry);
    }
    return met.map(({ fault }) => fault);
  }
}

function matcher(match: Match): (request: KubeRequest) => boolean {
  if (typeof match === "function") return match;
  const fields = Object.entries(match) as [keyof KubeRequest, unknown][];
  return (request) => fields.every(([field, value]) => request[field] === value);
}
