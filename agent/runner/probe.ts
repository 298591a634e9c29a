import { connect } from "node:net";
import { messageOf } from "#base/errors.ts";

/** restic tries a dead address for up to 15 minutes before it gives up (facts: A4); this finds out in seconds. */
const PROBE_TIMEOUT_MS = 5_000;

/** Where a repository at `url` can be reached by TCP; undefined for kinds that say no single address. */
export function addressOf(url: string): { host: string; port: number } | undefined {
  const match = /^(?:rest|s3):(https?:\/\/[^/]+)/.exec(url);
  if (match === null || !URL.canParse(match[1]!)) return undefined;
  const { hostname, port, protocol } = new URL(match[1]!);
  return {
    host: hostname.replace(/^\[|\]$/g, ""),
    port: port === "" ? (protocol === "https:" ? 443 : 80) : Number(port),
  };
}

/** Undefined where something accepts a connection at `address`, else what is wrong. */
export function probe(
  address: { host: string; port: number },
  timeoutMs = PROBE_TIMEOUT_MS,
): Promise<string | undefined> {
  const place = `${address.host}:${address.port}`;
  return new Promise((resolve) => {
    const socket = connect(address);
    const finish = (problem: string | undefined) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(problem);
    };
    const timer = setTimeout(() => finish(`${place} does not answer within ${timeoutMs / 1000} s`), timeoutMs);
    socket.once("connect", () => finish(undefined));
    socket.once("error", (error) => finish(`${place} cannot be reached: ${messageOf(firstOf(error))}`));
  });
}

/** Node joins the failures of several addresses of one name in an error whose own message is empty. */
function firstOf(error: Error): unknown {
  return error instanceof AggregateError ? error.errors[0] : error;
}
