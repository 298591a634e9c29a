import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import type { Clock } from "#base/clock.ts";
import { Refusal } from "../hub/refusal.ts";

/** Replicas are in one cluster: one that is not there by then is gone, or not reached at its address. */
const CONNECT_WITHIN_MS = 5_000;
/** Longer than a replica may take to ask its API server, and then the agent, in whose queue a question has 30 s and 30 s more. */
const ANSWER_WITHIN_MS = 90_000;
/** One that dies without a word is noticed by the kernel, which asks after so long. */
const KEEPALIVE_MS = 60_000;

/** How replicas know each other: by the installation's authority and this name in their certificates, at any address. */
export interface Peers {
  /** PEM. */
  readonly ca: string;
  readonly servername: string;
}

/** `address`: host:port of a replica. */
export interface ForwardedRequest {
  readonly address: string;
  readonly path: string;
  readonly headers: Record<string, string>;
}

/** Asks another replica; resolves with its answer, whose body is still to come. */
export function forward(
  peers: Peers,
  { address, path, headers }: ForwardedRequest,
  clock: Clock,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const sent = request(`https://${address}${path}`, { ...peers, headers, agent: false, signal }, (answer) => {
      cancel();
      answer.socket.setKeepAlive(true, KEEPALIVE_MS);
      resolve(answer);
    });
    const giveUp = () => sent.destroy();
    let cancel = clock.after(CONNECT_WITHIN_MS, giveUp);
    const unreachable = () => {
      cancel();
      const message = `the replica at ${address}, which holds the agent's connection, cannot be reached: try again`;
      reject(signal.aborted ? signal.reason : new Refusal(503, "replica_unreachable", message));
    };
    sent.on("socket", (socket) =>
      socket.once("secureConnect", () => {
        cancel();
        cancel = clock.after(ANSWER_WITHIN_MS, giveUp);
      }),
    );
    sent.on("error", unreachable);
    sent.on("close", unreachable);
    sent.end();
  });
}
