import type { ServerResponse } from "node:http";
import type { Server } from "node:https";
import type { Socket } from "node:net";
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { ErrorCode } from "#base/error-codes.ts";
import { messageOf } from "#base/errors.ts";
import { between, type Random } from "#base/random.ts";
import { maskTokens } from "#protocol/enroll.ts";
import { HEADERS_TIMEOUT_MS } from "#protocol/limits.ts";
import { RELEASE } from "#protocol/version.ts";
import { rawAnswer } from "../hub/raw-answer.ts";
import { Refusal } from "../hub/refusal.ts";
import type { ServingMaterial } from "../installation/serving.ts";
import { KubeError } from "../kube/kube-error.ts";
import type { Log } from "../kube/log.ts";

/** An enrolment is under 2 KiB. */
const BODY_BYTES = 16 * 1024;
const HEADER_BYTES = 16 * 1024;
/** A client that shows nothing of a handshake or a request for so long is not one. */
const HANDSHAKE_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** Node looks this often for requests that are over their time. */
const CHECK_INTERVAL_MS = 1_000;
const MAX_CONNECTIONS = 20_000;
/** Who follows a log that says nothing may be gone long ago: the kernel asks after so long, and gives up after 9 times 75 s. */
const KEEPALIVE_MS = 60_000;

export interface HttpOptions {
  readonly serving: ServingMaterial;
  readonly random: Random;
  readonly log: Log;
}

/**
 * The operator's only port: TLS 1.3, every time and size bounded, one shape of error. The agents' WebSockets come over
 * the same server: `server` is its https.Server.
 */
export function createHttp({ serving, random, log }: HttpOptions): FastifyInstance & { readonly server: Server } {
  const app = Fastify({
    https: {
      ...serving,
      minVersion: "TLSv1.3",
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      maxHeaderSize: HEADER_BYTES,
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: CHECK_INTERVAL_MS,
      keepAlive: true,
      keepAliveInitialDelay: KEEPALIVE_MS,
    },
    bodyLimit: BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: 10_000,
    routerOptions: { maxParamLength: 253 },
    forceCloseConnections: "idle",
    // fastify would repeat the whole address, and people put tokens there.
    frameworkErrors: (_error, request, reply) =>
      answer(reply, 400, "bad_request", `the path of this ${request.method} is no valid one; write % as %25`),
    clientErrorHandler: onClientError,
    logger: false,
  });
  app.server.maxConnections = MAX_CONNECTIONS;
  app.setNotFoundHandler((request, reply) => {
    answer(reply, 404, "not_found", `there is nothing at ${request.method} ${pathOf(request)}`);
  });
  app.setErrorHandler((error: FastifyError, request, reply) => onError(error, request, reply, { random, log }));
  app.get("/", (_request, reply) => {
    reply
      .type("text/plain")
      .send(`Holdfast ${RELEASE}: the operator that agents of this cluster's backups connect to.\n`);
  });
  return app as unknown as FastifyInstance & { readonly server: Server };
}

/** Without what people put behind it who do not know that tokens belong into a header or a body. */
function pathOf({ url }: FastifyRequest): string {
  return maskTokens(url.split("?")[0] ?? "").slice(0, 200);
}

/** What Node cannot read as a request, or not in time; fastify would answer in a shape of its own. */
const UNREADABLE: { readonly [code: string]: readonly [status: number, message: string] } = {
  HPE_HEADER_OVERFLOW: [431, `the request's headers are over ${HEADER_BYTES} bytes`],
  ERR_HTTP_REQUEST_TIMEOUT: [408, "the request did not come in time; send it at once"],
};

/** `_httpMessage`: Node's own, the response under way on this socket; its handler of such errors asks the same. */
function onClientError(
  error: Error & { code?: string },
  socket: Socket & { readonly _httpMessage?: ServerResponse | null },
): void {
  const { code = "" } = error;
  // Who has not finished its TLS handshake, or is gone, cannot be answered; nor who would take it for the rest of another answer.
  if (!/^(HPE_|ERR_HTTP_)/.test(code) || !socket.writable || socket._httpMessage?.headersSent === true) {
    socket.destroy();
    return;
  }
  const [status, message] = UNREADABLE[code] ?? [400, "this is not an HTTP/1.1 request"];
  rawAnswer(socket, { status, code: "bad_request", message });
}

/** The one shape of an error. */
function answer(reply: FastifyReply, status: number, code: ErrorCode, message: string): void {
  // A route that failed may have named another one for what it was about to send.
  reply
    .removeHeader("content-type")
    .code(status)
    .send({ error: { code, message: message.slice(0, 1024) } });
}

function onError(
  error: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply,
  { random, log }: { random: Random; log: Log },
): void {
  if (error instanceof Refusal) {
    if (error.retryAfter !== undefined) reply.header("retry-after", error.retryAfter);
    else if (error.status === 503) reply.header("retry-after", Math.ceil(between(random, 1, 5)));
    log.info({ path: pathOf(request), code: error.code, remote: request.ip }, "request refused");
    answer(reply, error.status, error.code, error.message);
  } else if (error.statusCode !== undefined && error.statusCode < 500) {
    // fastify's own: body too large, not JSON, no content type.
    answer(reply, error.statusCode, "bad_request", error.message);
  } else {
    log.error({ path: pathOf(request), error: messageOf(error) }, "request failed");
    const away = error instanceof KubeError || error.name === "TimeoutError" || error.name === "AbortError";
    if (away) reply.header("retry-after", Math.ceil(between(random, 5, 15)));
    const message = away
      ? "the operator cannot reach its API server just now, or lacks a right there; try again"
      : "the operator failed; its log says more";
    answer(reply, away ? 503 : 500, away ? "unavailable" : "internal", message);
  }
}
