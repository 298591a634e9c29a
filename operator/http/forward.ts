import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { Refusal } from "../hub/refusal.ts";

/** As long as a replica may take to ask its API server and the agent. */
const ANSWER_WITHIN_MS = 30_000;

/** How replicas know each other: by the installation's authority and this name in their certificates, at any address. */
export interface Peers {
  /** PEM. */
  readonly ca: string;
  readonly servername: string;
}

/** Asks another replica, `address` being host:port; resolves with its answer, whose body is still to come. */
export function forward(
  peers: Peers,
  address: string,
  path: string,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const unreachable = () => {
      const message = `the replica at ${address}, which holds the agent's connection, cannot be reached: try again`;
      reject(signal.aborted ? signal.reason : new Refusal(503, "replica_unreachable", message));
    };
    const sent = request(`https://${address}${path}`, { ...peers, headers, agent: false, signal }, (answer) => {
      sent.setTimeout(0);
      resolve(answer);
    });
    sent.setTimeout(ANSWER_WITHIN_MS, () => sent.destroy());
    sent.on("error", unreachable);
    sent.on("close", unreachable);
    sent.end();
  });
}
