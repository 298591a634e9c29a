import type { IncomingMessage } from "node:http";
import { WebSocket } from "ws";
import { httpError, TICKET_HEADER } from "#protocol/enroll.ts";
import { MAX_FRAME_BYTES } from "#protocol/limits.ts";
import { closeReason, line } from "#protocol/text.ts";
import { RELEASE } from "#protocol/version.ts";
import type { Identity } from "./core.ts";
import { networkError } from "./network-error.ts";

const MAX_ERROR_BODY_BYTES = 8 * 1024;
/** How long the peer may take to answer our close frame. */
const CLOSE_TIMEOUT_MS = 5_000;

/** What a connection tells; each of `refused`, `unreachable` and `closed` is the last call. */
export interface Listener {
  open(): void;
  message(text: string): void;
  binary(): void;
  heard(): void;
  closed(code: number, reason: string): void;
  refused(answer: { status: number; retryAfterMs?: number; message: string }): void;
  unreachable(message: string): void;
}

export interface Connection {
  send(text: string, sent: () => void): void;
  /** Bytes that wait to be sent. */
  readonly buffered: number;
  /** Nothing is told after this. */
  close(code: number, reason: string): void;
}

/** Opens the WebSocket of `GET /v1/agent`. The server must prove itself to identity.ca (or the system's authorities). */
export function dial(
  identity: Pick<Identity, "endpoint" | "ca" | "credential" | "ticket">,
  listener: Listener,
): Connection {
  const socket = new WebSocket(identity.endpoint, {
    headers: {
      authorization: `Bearer ${identity.credential}`,
      "user-agent": `holdfast-agent/${RELEASE}`,
      ...(identity.ticket === "" ? {} : { [TICKET_HEADER]: identity.ticket }),
    },
    ...(identity.ca.length === 0 ? {} : { ca: identity.ca }),
    maxPayload: MAX_FRAME_BYTES,
    perMessageDeflate: false,
    // What ws allows by itself costs tens of MiB where a server sends a frame in pieces of one byte.
    maxFragments: 64,
    maxBufferedChunks: 4096,
    followRedirects: false,
  });
  let ended = false;
  let failure = "";
  const end = (tell: () => void) => {
    if (ended) return;
    ended = true;
    tell();
  };
  socket.on("open", () => ended || listener.open());
  socket.on("message", (data, isBinary) => {
    if (ended) return;
    if (isBinary) listener.binary();
    else listener.message(data.toString());
  });
  socket.on("ping", () => ended || listener.heard());
  socket.on("pong", () => ended || listener.heard());
  socket.on("unexpected-response", (request, response) => {
    readError(response, (answer) => {
      request.destroy();
      end(() => listener.refused(answer));
    });
  });
  socket.on("error", (error) => {
    failure = networkError(error);
    if (socket.readyState === WebSocket.CONNECTING) end(() => listener.unreachable(failure));
  });
  socket.on("close", (code, reason) => {
    const why = line(reason.toString(), 256) || failure;
    end(() => (failure !== "" && code === 1006 ? listener.unreachable(failure) : listener.closed(code, why)));
  });
  return {
    send: (text, sent) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(text, sent);
    },
    get buffered() {
      return socket.bufferedAmount;
    },
    close(code, reason) {
      ended = true;
      socket.close(code, closeReason(reason));
      const timer = setTimeout(() => socket.terminate(), CLOSE_TIMEOUT_MS);
      timer.unref();
      socket.once("close", () => clearTimeout(timer));
    },
  };
}

function readError(
  response: IncomingMessage,
  done: (answer: { status: number; retryAfterMs?: number; message: string }) => void,
): void {
  const status = response.statusCode ?? 0;
  const seconds = Number(response.headers["retry-after"]);
  const retryAfter = Number.isFinite(seconds) && seconds > 0 ? { retryAfterMs: seconds * 1000 } : {};
  let body = "";
  response.setEncoding("utf8");
  response.on("data", (chunk: string) => {
    body += chunk;
    if (body.length > MAX_ERROR_BODY_BYTES) response.destroy();
  });
  response.on("error", () => {});
  response.on("close", () =>
    done({ status, ...retryAfter, message: errorMessage(body, response.statusMessage ?? "") }),
  );
}

/** The message of a body in the one error shape; anything else (a proxy's page) is not shown. */
export function errorMessage(body: string, otherwise: string): string {
  try {
    const { error } = httpError.parse(JSON.parse(body));
    return line(`${error.message} (${error.code})`);
  } catch {
    return line(otherwise, 128);
  }
}
