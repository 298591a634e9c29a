import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { HttpCode } from "#base/error-codes.ts";

/**
 * Answers a request for which Node has made no response (an upgrade, a request that could not be read) with an HTTP error
 * of the one shape, and closes the connection. `retryAfter` in seconds.
 */
export function rawAnswer(
  socket: Duplex,
  { status, code, message, retryAfter }: { status: number; code: HttpCode; message: string; retryAfter?: number },
): void {
  const body = JSON.stringify({ error: { code, message } });
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    "Connection: close",
    "Content-Type: application/json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...(status === 401 ? ["WWW-Authenticate: Bearer"] : []),
    ...(retryAfter === undefined ? [] : [`Retry-After: ${retryAfter}`]),
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`, () => socket.destroy());
}
