import { createServer } from "node:net";
import { HoldfastError } from "#base/errors.ts";
import { between, type Random } from "#base/random.ts";

/** Linux hands out 32768 and up to outgoing connections; a port below stays free while its server is restarted. */
const FROM = 20_000;
const TO = 32_768;
const TRIES = 50;

/** A TCP port of 127.0.0.1 on which nothing listens now. */
export async function freePort(random: Random): Promise<number> {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const port = Math.floor(between(random, FROM, TO));
    if (await isFree(port)) return port;
  }
  throw new HoldfastError(
    "cluster/no-port",
    `${TRIES} ports between ${FROM} and ${TO} on 127.0.0.1 are taken: stop what listens there and try again`,
  );
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.on("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
