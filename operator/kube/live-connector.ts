import type { Socket } from "node:net";
import { buildConnector } from "undici";

/** undici sends an HTTP/2 PING this often (its h2Options.pingInterval), but does not mind when no answer comes. */
export const PING_MS = 5_000;
/** So many looks in a row, one a PING, without a byte: two PINGs at least went unanswered. client-go waits 45 s. */
const SILENT_LOOKS = 3;

/**
 * Connects as undici does, and destroys an HTTP/2 connection on which nothing comes back any more: forgotten by a firewall,
 * its server vanished. Over HTTP/1.1 a request that is given up takes its connection with it; over HTTP/2 it only ends its
 * stream, and all others would go on into the void until TCP gives up, after a quarter of an hour.
 */
export function liveConnector(options: buildConnector.BuildOptions): buildConnector.connector {
  const connect = buildConnector(options);
  return (target, done) =>
    connect(target, (...[error, socket]) => {
      if (error !== null) return done(error, null);
      if ("alpnProtocol" in socket && socket.alpnProtocol === "h2") guard(socket);
      done(null, socket);
    });
}

/** By the real clock, as undici's PINGs are. After a freeze of the process one look is due, not all that were missed. */
function guard(socket: Socket): void {
  let heard = socket.bytesRead;
  let silent = 0;
  const timer = setInterval(() => {
    silent = socket.bytesRead === heard ? silent + 1 : 0;
    heard = socket.bytesRead;
    if (silent < SILENT_LOOKS) return;
    socket.destroy(
      new Error(`the connection is dead: no answer to a PING for ${(PING_MS * (SILENT_LOOKS - 1)) / 1000} s`),
    );
  }, PING_MS);
  timer.unref();
  socket.once("close", () => clearInterval(timer));
}
