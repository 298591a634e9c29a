import { readFileSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createSecureServer } from "node:http2";
import { createServer } from "node:https";
import type { AddressInfo, Server, Socket } from "node:net";
import { Readable, type Writable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { Agent } from "undici";
import { parse, stringify } from "yaml";
import { systemClock } from "#base/clock.ts";
import { HoldfastError } from "#base/errors.ts";
import { secret } from "#base/random.ts";
import type { RunningCluster } from "../cluster/cluster.ts";
import { createAuthority, issue } from "../cluster/pki.ts";
import { type KubeRequest, parseKubeRequest } from "./kube-request.ts";
import { pass, type Treatment } from "./passage.ts";
import { type Fault, type Match, type Rule, Rules } from "./rules.ts";

/** One request as it went through. */
export interface Passed extends KubeRequest {
  /** Monotonic ms. */
  readonly at: number;
  /** What the client was answered; 0 as long as that is nothing. */
  status: number;
  /** What the API server answered; 0 when it was not asked or did not answer. */
  upstreamStatus: number;
  /** The answer is over: sent whole, or cut by either side. */
  done: boolean;
  /** Of the answer's body, as the client was sent it. */
  bytes: number;
}

export interface FaultProxyOptions {
  readonly cluster: Pick<RunningCluster, "server" | "ca" | "directory">;
  /** What is offered to clients; default h2, as the API server does. With http/1.1 a cut ends one request only. */
  readonly protocol?: "h2" | "http/1.1";
}

/** What the compatibility interface of node:http2 has in common with node:http. */
type Request = Pick<IncomingMessage, "method" | "url" | "headers" | "socket" | "httpVersionMajor"> & Readable;
type Response = Pick<ServerResponse, "writeHead" | "flushHeaders" | "write" | "end"> & Writable;

/** Connection-level headers: each side has its own (RFC 9110, 7.6.1). */
const HOP_BY_HOP = new Set(["connection", "keep-alive", "transfer-encoding", "upgrade", "content-length", "host"]);

/**
 * A TLS proxy in front of the API server, with a certificate of its own, that does with requests what its rules say. It
 * asks the API server with the identity of the kubeconfig that a client's was made from.
 */
export class FaultProxy implements AsyncDisposable {
  readonly #cluster: FaultProxyOptions["cluster"];
  readonly #ca: string;
  readonly #server: Server;
  readonly #rules = new Rules();
  readonly #passed: Passed[] = [];
  /** By the client's port: what is to be reset is the TCP connection below TLS and HTTP/2. */
  readonly #connections = new Map<number, Socket>();
  /** The way to the API server for each token handed out. */
  readonly #upstreams = new Map<string, { agent: Agent; authorization: string | undefined }>();

  private constructor(options: FaultProxyOptions, ca: string, serving: { cert: string; key: string }) {
    this.#cluster = options.cluster;
    this.#ca = ca;
    const serve = (request: Request, response: Response) => {
      const port = request.socket.remotePort ?? 0;
      const reset = () => this.#connections.get(port)?.resetAndDestroy();
      // Whatever ends a request in the middle (the client left, the API server died): nothing more is to be said on it.
      void this.#serve(request, response, reset).catch(reset);
    };
    this.#server =
      options.protocol === "http/1.1"
        ? createServer(serving, serve)
        : createSecureServer({ ...serving, allowHTTP1: true }, (request, response) =>
            serve(request as unknown as Request, response as unknown as Response),
          );
    this.#server.on("connection", (socket: Socket) => {
      const port = socket.remotePort;
      if (port === undefined) return;
      this.#connections.set(port, socket);
      socket.on("close", () => this.#connections.delete(port)).on("error", () => {});
    });
    this.#server.on("sessionError", () => {}).on("tlsClientError", () => {});
  }

  /** Listens on a free port of 127.0.0.1. */
  static async start(options: FaultProxyOptions): Promise<FaultProxy> {
    const now = systemClock.now();
    const authority = await createAuthority("holdfast fault proxy", now);
    const serving = await issue(authority, { commonName: "fault-proxy", names: ["localhost", "127.0.0.1"] }, now);
    const proxy = new FaultProxy(options, authority.cert, serving);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get url(): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#connections.size;
  }

  /** The path of a kubeconfig for who is to come through here, with the identity of the kubeconfig `path` upstream. */
  kubeconfig(path: string): string {
    const [user] = parse(readFileSync(path, "utf8")).users;
    const pem = (name: string) => {
      const data: unknown = user.user[`${name}-data`];
      return typeof data === "string" ? Buffer.from(data, "base64").toString("utf8") : undefined;
    };
    const [cert, key] = [pem("client-certificate"), pem("client-key")];
    const given: unknown = user.user.token;
    const authorization = typeof given === "string" ? `Bearer ${given}` : undefined;
    if (authorization === undefined && (cert === undefined || key === undefined)) {
      throw new HoldfastError("fault-proxy/kubeconfig", `${path} holds neither a token nor a client certificate`);
    }
    const tls = { ca: this.#cluster.ca, ...(cert === undefined || key === undefined ? {} : { cert, key }) };
    // Many connections: one that is slow by a rule must not be so for others by flow control.
    const agent = new Agent({ connect: tls, allowH2: false, headersTimeout: 0, bodyTimeout: 0 });
    const token = secret();
    this.#upstreams.set(token, { agent, authorization });
    const made = `${this.#cluster.directory}/${secret(6)}.fault-proxy.kubeconfig`;
    const config = {
      apiVersion: "v1",
      kind: "Config",
      "current-context": "proxy",
      clusters: [{ name: "proxy", cluster: { server: this.url, "certificate-authority-data": btoa(this.#ca) } }],
      users: [{ name: user.name, user: { token } }],
      contexts: [{ name: "proxy", context: { cluster: "proxy", user: user.name } }],
    };
    writeFileSync(made, stringify(config), { mode: 0o600 });
    return made;
  }

  /** A rule in force from now on, until it is removed or has hit so many `times`. */
  rule(match: Match, fault: Fault, times?: number): Rule {
    return this.#rules.add(match, fault, times);
  }

  /** Takes all rules away. */
  clearRules(): void {
    this.#rules.clear();
  }

  /** What has come in since the start or the last forget(), the oldest first; those under way change still. */
  requests(match: (request: Passed) => boolean = () => true): Passed[] {
    return this.#passed.filter(match);
  }

  forget(): void {
    this.#passed.length = 0;
  }

  /** Resets every connection there is. */
  cut(): void {
    for (const socket of this.#connections.values()) socket.resetAndDestroy();
  }

  async stop(): Promise<void> {
    this.cut();
    this.#server.close();
    await Promise.all([...this.#upstreams.values()].map(({ agent }) => agent.destroy()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #serve(request: Request, response: Response, reset: () => void): Promise<void> {
    const gone = new AbortController();
    response.on("close", () => gone.abort()).on("error", () => gone.abort());
    request.on("error", () => gone.abort());
    const asked = parseKubeRequest(request.method ?? "", request.url ?? "/", request.headers);
    const passed: Passed = {
      ...asked,
      at: systemClock.monotonic(),
      status: 0,
      upstreamStatus: 0,
      done: false,
      bytes: 0,
    };
    this.#passed.push(passed);
    try {
      await this.#handle(request, response, passed, gone.signal, reset);
    } finally {
      passed.done = true;
    }
  }

  async #handle(
    request: Request,
    response: Response,
    passed: Passed,
    gone: AbortSignal,
    reset: () => void,
  ): Promise<void> {
    const sent = await buffer(request);
    const upstream = this.#upstreams.get(/^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1] ?? "");
    const say = (status: number, headers: Record<string, string | string[]>) => {
      passed.status = status;
      response.writeHead(status, headers);
    };
    const write = async (chunk: Buffer) => {
      passed.bytes += chunk.length;
      if (gone.aborted || response.write(chunk)) return;
      await new Promise<void>((resolve) => {
        response.once("drain", resolve);
        gone.addEventListener("abort", () => resolve(), { once: true });
      });
    };
    const client = { write, end: () => void response.end(), reset };
    const refuse = async (status: number, reason: string, headers: Record<string, string> = {}) => {
      say(status, { "content-type": "application/json", ...headers });
      const kind = { kind: "Status", apiVersion: "v1", status: "Failure" };
      await write(Buffer.from(JSON.stringify({ ...kind, code: status, reason, message: "said by the fault proxy" })));
      client.end();
    };
    if (upstream === undefined) return refuse(401, "Unauthorized");

    const meet = this.#rules.take(passed, ["answer", "delayMs", "hang", "cut", "before", "after"]);
    for (const fault of meet) {
      if ("delayMs" in fault) await sleep(fault.delayMs, undefined, { signal: gone });
      if ("before" in fault) await fault.before(passed);
      if ("hang" in fault) return until(gone);
      if ("cut" in fault && fault.cut === "before") return client.reset();
      if ("answer" in fault) {
        const { status, reason = reasonOf(status), retryAfterSeconds } = fault.answer;
        return refuse(status, reason, retryAfterSeconds === undefined ? {} : { "retry-after": `${retryAfterSeconds}` });
      }
    }
    gone.throwIfAborted();
    const answer = await upstream.agent.request({
      origin: this.#cluster.server,
      path: passed.url,
      method: passed.method as "GET",
      headers: {
        ...passable(request.headers),
        ...(upstream.authorization === undefined ? {} : { authorization: upstream.authorization }),
      },
      body: sent.length === 0 ? null : sent,
      signal: gone,
    });
    passed.upstreamStatus = answer.statusCode;
    const body = passed.verb === "watch" ? answer.body : Readable.from([await buffer(answer.body)]);
    for (const fault of meet) {
      if ("after" in fault) await fault.after(passed);
      if ("cut" in fault) return client.reset();
    }
    say(answer.statusCode, passable(answer.headers));
    // HTTP/1.1: the head of a watch goes out before its first event; HTTP/2 sends it at once anyway.
    if (request.httpVersionMajor === 1) response.flushHeaders();
    await pass(body as AsyncIterable<Buffer>, () => this.#treatment(passed), client, gone);
  }

  #treatment(request: KubeRequest): Treatment {
    const treatment = {
      silent: false,
      truncate: undefined,
      oversizeBytes: 0,
      bytesPerSecond: Number.POSITIVE_INFINITY,
    };
    const met = this.#rules.take(request, ["silent", "truncate", "oversizeBytes", "bytesPerSecond"]);
    return Object.assign(treatment, ...met) as Treatment;
  }
}

function passable(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string | string[]> {
  const kept = Object.entries(headers).filter(([name]) => !name.startsWith(":") && !HOP_BY_HOP.has(name));
  return Object.fromEntries(kept) as Record<string, string | string[]>;
}

function until(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

/** What the API server puts into Status.reason. */
function reasonOf(status: number): string {
  const reasons: Record<number, string> = {
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
  };
  return reasons[status] ?? "Unknown";
}
