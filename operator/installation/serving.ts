import type { Server } from "node:https";
import type { Clock } from "#base/clock.ts";
import { issueServing } from "./authority.ts";
import type { KeyPair } from "./certificate.ts";

/** What tls.createSecureContext takes: our certificate with the authority's behind it, so that a pin of that can match. */
export interface ServingMaterial {
  readonly cert: string;
  readonly key: string;
}

export async function servingMaterial(
  authority: KeyPair,
  names: readonly string[],
  clock: Clock,
): Promise<ServingMaterial> {
  const leaf = await issueServing(authority, names, clock.now());
  return { cert: `${leaf.cert}\n${authority.cert}`, key: leaf.key };
}

/** A fraction of the 90 days a certificate lives, so that several failures in a row cost nothing. */
const RENEWAL_MS = 20 * 24 * 3_600_000;

/** Gives `server` a new certificate every 20 days until the signal aborts. */
export async function keepServing(
  server: Pick<Server, "setSecureContext">,
  authority: KeyPair,
  names: readonly string[],
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    await clock.sleep(RENEWAL_MS, signal).catch(() => undefined);
    if (signal.aborted) return;
    // Connections that stand keep the old one; TLS 1.3 must be said again, a context does not inherit it.
    server.setSecureContext({ ...(await servingMaterial(authority, names, clock)), minVersion: "TLSv1.3" });
  }
}
