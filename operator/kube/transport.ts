import type { Readable } from "node:stream";
import { Agent } from "undici";
import type { Clock } from "#base/clock.ts";
import { messageOf } from "#base/errors.ts";
import type { Connection, TlsMaterial } from "./connection.ts";
import { Deadline } from "./deadline.ts";
import { isUnauthorized, KubeError } from "./kube-error.ts";
import { liveConnector, PING_MS } from "./live-connector.ts";
import type { KubeMetrics } from "./metrics.ts";
import { parseRetryAfter } from "./retry.ts";
import { Slots } from "./slots.ts";

export interface HttpRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Path and query. */
  readonly path: string;
  readonly body?: string;
  readonly contentType?: string;
  /** For metrics: get, list, watch, create, ... */
  readonly verb: string;
  /** For errors: what is asked of what, `get secrets default/a`. */
  readonly what: string;
  /** The server's own words may hold values of the object sent: keep them out of errors. */
  readonly sensitive: boolean;
  /** Leadership depends on it: it does not wait behind others. */
  readonly urgent: boolean;
}

/** A page of 500 custom resources is some MiB; more than this is a mistake or an attack. */
const LARGEST_ANSWER = 64 * 2 ** 20;
const LARGEST_ERROR = 64 * 2 ** 10;
/** Requests in flight besides watches. undici opens a connection for each; a burst must not open thousands. */
const IN_FLIGHT = 64;
const URGENT_IN_FLIGHT = 8;

/**
 * HTTP to the API server: one undici Agent for everything (300 requests in a row use one connection), credentials
 * refreshed, answers bounded. Knows nothing of kinds and does not retry, but for one fresh look at the credentials
 * after a 401: a rotated token is no error.
 */
export class Transport {
  readonly #options: { connection: Connection; userAgent: string; clock: Clock; metrics: KubeMetrics };
  readonly #slots = new Slots(IN_FLIGHT);
  readonly #urgentSlots = new Slots(URGENT_IN_FLIGHT);
  #agent: { tls: string; agent: Agent } | undefined;

  constructor(options: { connection: Connection; userAgent: string; clock: Clock; metrics: KubeMetrics }) {
    this.#options = options;
  }

  /** The parsed JSON answer. Errors: KubeError, or the signal's reason. */
  async exchange(request: HttpRequest, timeoutMs: number, signal?: AbortSignal): Promise<unknown> {
    const slot = await (request.urgent ? this.#urgentSlots : this.#slots).take(signal);
    // undici takes a connection for free a turn after the end of its answer: given back at once, the slot would open another.
    using _slot = { [Symbol.dispose]: () => void setImmediate(() => slot[Symbol.dispose]()) };
    const late = () =>
      new KubeError(
        0,
        "Timeout",
        `${request.what}: no answer from ${this.#options.connection.server.host} in ${timeoutMs} ms`,
      );
    using deadline = new Deadline(this.#options.clock, timeoutMs, [signal], late);
    const started = this.#options.clock.monotonic();
    try {
      const body = await this.#send(request, deadline.signal);
      const text = await this.#read(request, body, LARGEST_ANSWER, deadline.signal);
      try {
        return JSON.parse(text);
      } catch (cause) {
        const message = `${request.what}: the answer is not JSON; is ${this.#options.connection.server.host} an API server?`;
        throw new KubeError(200, "BadResponse", message, request.sensitive ? {} : { cause });
      }
    } finally {
      this.#observe(request, started);
    }
  }

  /** The body as it comes, until the server ends it or the signal aborts; the caller owns all timeouts. */
  async stream(request: HttpRequest, signal: AbortSignal): Promise<Readable> {
    const started = this.#options.clock.monotonic();
    try {
      return await this.#send(request, signal);
    } finally {
      this.#observe(request, started);
    }
  }

  /** Cuts everything that is under way. */
  async close(): Promise<void> {
    await this.#agent?.agent.destroy();
    this.#agent = undefined;
  }

  async #send(request: HttpRequest, signal: AbortSignal): Promise<Readable> {
    try {
      return await this.#attempt(request, signal, false);
    } catch (error) {
      if (!isUnauthorized(error)) throw error;
      return await this.#attempt(request, signal, true);
    }
  }

  async #attempt(request: HttpRequest, signal: AbortSignal, fresh: boolean): Promise<Readable> {
    const { connection, userAgent, clock, metrics } = this.#options;
    const { tls, headers } = await connection.credentials(fresh);
    signal.throwIfAborted();
    const count = (code: string) =>
      metrics.requests.inc({ code, method: request.method, host: connection.server.host });
    let answer: Awaited<ReturnType<Agent["request"]>>;
    try {
      answer = await this.#agentFor(tls).request({
        origin: connection.server.origin,
        path: connection.server.pathname.replace(/\/$/, "") + request.path,
        method: request.method,
        headers: {
          ...headers,
          accept: "application/json",
          "user-agent": userAgent,
          ...(request.contentType === undefined ? {} : { "content-type": request.contentType }),
        },
        body: request.body ?? null,
        signal,
        // Ours decide: Deadline for an exchange, the reflector for a watch.
        headersTimeout: 0,
        bodyTimeout: 0,
      });
    } catch (cause) {
      count("<error>");
      throw this.#broken(request, cause, signal);
    }
    count(String(answer.statusCode));
    if (answer.statusCode >= 200 && answer.statusCode < 300) return answer.body;
    const retryAfter = answer.headers["retry-after"];
    const retryAfterMs = parseRetryAfter(typeof retryAfter === "string" ? retryAfter : undefined, clock.now());
    throw refusal(
      request,
      answer.statusCode,
      await this.#read(request, answer.body, LARGEST_ERROR, signal),
      retryAfterMs,
    );
  }

  async #read(request: HttpRequest, body: Readable, limit: number, signal: AbortSignal): Promise<string> {
    const chunks: Buffer[] = [];
    let size = 0;
    try {
      for await (const chunk of body as AsyncIterable<Buffer>) {
        size += chunk.length;
        if (size > limit) break;
        chunks.push(chunk);
      }
    } catch (cause) {
      throw this.#broken(request, cause, signal);
    }
    if (size > limit) {
      throw new KubeError(
        200,
        "BadResponse",
        `${request.what}: the answer is larger than ${limit} bytes; ask for less`,
      );
    }
    return Buffer.concat(chunks).toString("utf8");
  }

  #agentFor(tls: TlsMaterial): Agent {
    const identity = JSON.stringify(tls);
    if (this.#agent?.tls !== identity) {
      // Requests under way end on the old connections, then these close.
      void this.#agent?.agent.close();
      const agent = new Agent({
        // Below the 90 s after which the API server closes an idle connection: it must not do so under a request.
        keepAliveTimeout: 30_000,
        keepAliveMaxTimeout: 60_000,
        connect: liveConnector({ ...tls, timeout: 10_000, keepAlive: true, keepAliveInitialDelay: 30_000 }),
        h2Options: { pingInterval: PING_MS },
      });
      this.#agent = { tls: identity, agent };
    }
    return this.#agent.agent;
  }

  #broken(request: HttpRequest, cause: unknown, signal: AbortSignal): unknown {
    if (signal.aborted) return signal.reason;
    const { host } = this.#options.connection.server;
    return new KubeError(
      0,
      "Unreachable",
      `${request.what}: the API server at ${host} did not answer: ${messageOf(cause)}`,
      {
        cause,
      },
    );
  }

  #observe(request: HttpRequest, started: number): void {
    const { metrics, clock, connection } = this.#options;
    const labels = { verb: request.verb, host: connection.server.host };
    metrics.requestSeconds.observe(labels, (clock.monotonic() - started) / 1000);
  }
}

/** The error for an answer that is no success; its text is a metav1.Status, or anything when it comes from a proxy. */
function refusal(request: HttpRequest, code: number, text: string, retryAfterMs: number | undefined): KubeError {
  let status: { reason?: unknown; message?: unknown } = {};
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === "object" && parsed !== null) status = parsed;
  } catch {
    // A proxy's page: the HTTP status has to do.
  }
  const reason = typeof status.reason === "string" ? status.reason : undefined;
  const echoes = request.sensitive && (code === 400 || code === 422);
  let words = typeof status.message === "string" ? status.message.slice(0, 2048) : "";
  if (echoes) words = "refused as invalid (the API server's words are left out: they may quote the values)";
  const cure = code === 403 ? ". Grant it in the operator's Role, or do not use what needs it" : "";
  const message = `${request.what}: ${code}${reason === undefined ? "" : ` ${reason}`}${words === "" ? "" : `: ${words}`}${cure}`;
  return new KubeError(code, reason, message, { retryAfterMs });
}
