import { Readable } from "node:stream";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { Gauge, type Registry } from "prom-client";
import { z } from "zod";
import type { Clock } from "#base/clock.ts";
import { messageOf } from "#base/errors.ts";
import * as field from "#protocol/fields.ts";
import type { LogSubject } from "#protocol/frames.ts";
import { isTerminal } from "#protocol/outcome.ts";
import { beside, type Caches } from "../controllers/caches.ts";
import { BackupRuns, Restores } from "../controllers/kinds.ts";
import { cachedOrLive } from "../controllers/one-shot/live.ts";
import type { HostKey, Hub } from "../hub/ports.ts";
import { Refusal } from "../hub/refusal.ts";
import type { Client } from "../kube/client.ts";
import type { Log } from "../kube/log.ts";
import { keyOf } from "../kube/resource.ts";
import { TokenBucket } from "../kube/token-bucket.ts";
import { authorize, bearerToken } from "./access.ts";
import { forward, type Peers } from "./forward.ts";
import { plainText, saidInTime, serverSentEvents, takenInTime } from "./log-bodies.ts";
import { type LogEvent, type LogSource, logEvents } from "./log-events.ts";
import { LogSeats } from "./log-seats.ts";
import { RateLimit } from "./rate-limit.ts";

/** Each is two requests to the API server. */
const RATES = { each: { perSecond: 5, burst: 50 }, all: { perSecond: 20, burst: 100 } };
/** Of all logs together, in pieces of 16 KiB: 64 KiB were measured to take 1.4 ms of the event loop, which the agents' sessions need too. */
const PIECES = { perSecond: 200, burst: 256 };
const REVIEW_TIMEOUT_MS = 10_000;
/** A replica that stops says so to who reads; one who takes nothing must not keep it from stopping. */
const LAST_WORDS_MS = 2_000;
/** Set by the replica that asks for somebody else: who gets it answers by itself. */
const FORWARDED = "holdfast-forwarded";

const SHOW_A_TOKEN = "show a token as bearer: kubectl create token SERVICEACCOUNT prints one";

const path = z.object({ namespace: field.namespace, name: field.name });
const query = z.strictObject({
  follow: z.enum(["true", "false"]).default("false"),
  offset: z
    .string()
    .regex(/^\d{1,15}$/, "must be a number of bytes")
    .default("0"),
});

export interface RunLogRoutes {
  readonly hub: Pick<Hub, "session" | "readLog">;
  readonly caches: Pick<Caches, "runs" | "restores" | "hosts">;
  readonly client: Pick<Client, "create" | "get">;
  /** Undefined: all. */
  readonly watchNamespaces: readonly string[] | undefined;
  /** Where another replica that lives can be asked, by its identity; undefined for this one and for one that is gone. */
  readonly elsewhere: (replica: string) => { readonly address: string | undefined } | undefined;
  readonly peers: Peers;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly log: Log;
  /** Aborts when this replica begins to stop. */
  readonly stop: AbortSignal;
}

interface Asked {
  readonly namespace: string;
  readonly name: string;
  readonly follow: boolean;
  readonly offset: number;
  /** text/event-stream. */
  readonly events: boolean;
}

interface Found {
  readonly host: HostKey;
  readonly subject: LogSubject;
  readonly mayBegin: () => boolean;
}

/**
 * `GET /api/v1/namespaces/{ns}/backupruns|restores/{name}/log`: the whole log from its agent, for whom RBAC allows `get` on
 * that subresource. Whichever replica is asked, the one with the agent's connection answers.
 */
export function runLogRoutes(app: FastifyInstance, routes: RunLogRoutes): void {
  const { client, caches, clock, hub } = routes;
  const limit = new RateLimit(RATES, clock);
  // They come from a few addresses, which have counted them; whoever claims to be a replica cannot use up what is the others'.
  const limitOfForwarded = new RateLimit({ each: RATES.all, all: RATES.all }, clock);
  const seats = new LogSeats();
  const pieces = new TokenBucket({ ...PIECES, clock });
  new Gauge({
    name: "holdfast_log_streams",
    help: "Logs of runs and restores that are being read through this replica.",
    registers: [routes.registry],
    collect() {
      this.set(seats.taken);
    },
  });

  async function run(asked: Asked): Promise<Found | undefined> {
    const key = keyOf({ metadata: asked });
    const found = await cachedOrLive(client, BackupRuns, caches.runs, key);
    if (found === undefined) return undefined;
    const uid = found.spec.runID ?? found.metadata.uid;
    const mayBegin = livesIn(caches.runs, key, found);
    return { host: beside(found, found.spec.hostRef), subject: { kind: "run", uid }, mayBegin };
  }

  async function restore(asked: Asked): Promise<Found | undefined> {
    const key = keyOf({ metadata: asked });
    const found = await cachedOrLive(client, Restores, caches.restores, key);
    if (found === undefined) return undefined;
    const mayBegin = livesIn(caches.restores, key, found);
    return {
      host: beside(found, found.spec.target.hostRef),
      subject: { kind: "restore", uid: found.metadata.uid },
      mayBegin,
    };
  }

  /** The replica that has the agent of `host`, where that is another one. */
  function otherReplica(host: HostKey): ReturnType<RunLogRoutes["elsewhere"]> {
    const replica = caches.hosts.get(host)?.status?.session?.replica;
    return replica === undefined || hub.session(host) !== undefined ? undefined : routes.elsewhere(replica);
  }

  for (const [resource, find] of [
    ["backupruns", run],
    ["restores", restore],
  ] as const) {
    const url = `/api/v1/namespaces/:namespace/${resource}/:name/log`;
    const onRequest = async ({ headers, ip }: FastifyRequest) =>
      (headers[FORWARDED] === undefined ? limit : limitOfForwarded).admit(ip);
    app.get(url, { onRequest, exposeHeadRoute: false }, async (request, reply) => {
      const closed = new AbortController();
      reply.raw.once("close", () => closed.abort(new Refusal(503, "unavailable", "the client has gone")));
      const cut = () => {
        const cancel = clock.after(LAST_WORDS_MS, () => reply.raw.destroy());
        closed.signal.addEventListener("abort", cancel, { once: true });
      };
      routes.stop.addEventListener("abort", cut, { once: true, signal: closed.signal });
      // Who follows a log that is empty so far is told at once that it may.
      reply.raw.once("pipe", () => reply.raw.flushHeaders());
      reply.header("cache-control", "no-store").header("x-content-type-options", "nosniff");
      const token = bearerToken(request.headers.authorization, SHOW_A_TOKEN);
      const asked = read(request);
      const { namespace, name } = asked;
      const wish = { group: "holdfast.dev", resource, subresource: "log", verb: "get", namespace, name };
      const bind = (user: string) =>
        `${user} may not get ${resource}/log in namespace ${namespace}; bind it to a Role that allows this`;
      const timeout = AbortSignal.timeout(REVIEW_TIMEOUT_MS);
      await authorize(client, token, { resourceAttributes: wish }, bind, timeout);
      if (routes.watchNamespaces?.includes(namespace) === false) {
        const message = `this operator does not serve namespace ${namespace} (HOLDFAST_WATCH_NAMESPACES)`;
        throw new Refusal(404, "not_found", message);
      }
      const found = await find(asked);
      if (found === undefined)
        throw new Refusal(404, "not_found", `there is no ${name} in ${resource} of ${namespace}`);
      const release = seats.take(found.host);
      if (closed.signal.aborted) release();
      else closed.signal.addEventListener("abort", release, { once: true });
      const other = request.headers[FORWARDED] === undefined ? otherReplica(found.host) : undefined;
      const signal = AbortSignal.any([closed.signal, routes.stop]);
      if (other !== undefined) return answerOf(other, resource, asked, token, reply, signal);
      return ownAnswer(found, asked, reply, signal);
    });
  }

  async function answerOf(
    { address }: { readonly address: string | undefined },
    resource: string,
    { namespace, name, follow, offset, events }: Asked,
    token: string,
    reply: FastifyReply,
    signal: AbortSignal,
  ): Promise<FastifyReply> {
    if (address === undefined) {
      const message = "the replica with the agent's connection has no address that others know: set HOLDFAST_ADVERTISE";
      throw new Refusal(503, "replica_unreachable", message);
    }
    const at = `/api/v1/namespaces/${namespace}/${resource}/${name}/log?follow=${follow}&offset=${offset}`;
    const headers = {
      authorization: `Bearer ${token}`,
      accept: events ? "text/event-stream" : "text/plain",
      [FORWARDED]: "true",
    };
    const answer = await forward(routes.peers, { address, path: at, headers }, clock, signal).catch(
      (error: unknown) => {
        throw refusalOf(error);
      },
    );
    for (const header of ["content-type", "retry-after"]) {
      const value = answer.headers[header];
      if (value !== undefined) reply.header(header, value);
    }
    const body = events ? saidInTime<Buffer>(answer, clock, () => answer.destroy()) : answer;
    return reply.code(answer.statusCode ?? 500).send(taken(body, reply, signal));
  }

  async function ownAnswer(
    { host, subject, mayBegin }: Found,
    asked: Asked,
    reply: FastifyReply,
    signal: AbortSignal,
  ): Promise<FastifyReply> {
    const source: LogSource = {
      mayBegin,
      async read(offset) {
        if (otherReplica(host) === undefined) return hub.readLog(host, subject, offset, signal);
        throw new Refusal(503, "host_moved", "the agent has connected to another replica: ask again from here");
      },
    };
    const events = logEvents(source, { ...asked, clock, signal });
    // A refusal has a status of its own as long as nothing was sent.
    const first = await events.next().catch((error: unknown) => {
      throw refusalOf(error);
    });
    const all = paced(first, events, signal);
    const body = asked.events ? serverSentEvents(all, clock, refusalOf) : plainText(all);
    const type = asked.events ? "text/event-stream" : "text/plain; charset=utf-8";
    return reply.header("content-type", type).send(taken(body, reply, signal));
  }

  /** `body` for a reader who may not take it. */
  function taken(body: AsyncIterable<Buffer>, reply: FastifyReply, signal: AbortSignal): Readable {
    const chunks = takenInTime(body, clock, () => reply.raw.destroy(), signal);
    return Readable.from(chunks, { objectMode: false });
  }

  /** `first` and then the rest, each after its turn among all logs. */
  async function* paced(
    first: IteratorResult<LogEvent, void>,
    rest: AsyncGenerator<LogEvent, void>,
    signal: AbortSignal,
  ): AsyncGenerator<LogEvent, void> {
    for (let next = first; next.done !== true; next = await rest.next()) {
      yield next.value;
      if (next.value.type !== "log") continue;
      for (let wait = pieces.take(); wait > 0; wait = pieces.take()) await clock.sleep(wait, signal);
    }
  }

  function refusalOf(error: unknown): Refusal {
    if (error instanceof Refusal) return error;
    if (routes.stop.aborted) {
      return new Refusal(503, "stopping", "this replica of the operator stops: ask again from here");
    }
    routes.log.error({ error: messageOf(error) }, "a log could not be read");
    return new Refusal(500, "internal", "the operator failed; its log says more");
  }
}

function read(request: FastifyRequest): Asked {
  const at = path.safeParse(request.params);
  const how = query.safeParse(request.query);
  const resumed = z
    .string()
    .regex(/^\d{1,15}$/, "must be an id of an event of this log")
    .optional()
    .safeParse(request.headers["last-event-id"]);
  const issues = [at, how, resumed].flatMap(({ error }) => error?.issues ?? []);
  if (!at.success || !how.success || !resumed.success) {
    const wrong = issues.slice(0, 3).map(({ path, message }) => `${path.join(".") || "the query"} ${message}`);
    const message = `the log cannot be read: ${wrong.join("; ")}; the query takes follow=true and offset=BYTES`;
    throw new Refusal(400, "bad_request", message);
  }
  const events = request.headers.accept?.includes("text/event-stream") === true;
  const offset = Number(resumed.data ?? how.data.offset);
  return { ...at.data, follow: how.data.follow === "true", offset, events };
}

type OneShot = { readonly metadata: { readonly uid: string }; readonly status?: { readonly phase?: string } };

/** Whether `found` has not ended, by the cache; by itself as long as the cache is behind it. */
function livesIn(cache: { get(key: string): OneShot | undefined }, key: string, found: OneShot): () => boolean {
  let seen = false;
  return () => {
    const cached = cache.get(key);
    seen ||= cached !== undefined;
    const now = cached ?? (seen ? undefined : found);
    return now?.metadata.uid === found.metadata.uid && !isTerminal(now.status?.phase);
  };
}
