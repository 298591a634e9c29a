import { createHash, X509Certificate } from "node:crypto";
import { issue, type KeyPair, selfSigned } from "./certificate.ts";

const DAY_MS = 24 * 3_600_000;
/** Every agent holds this certificate or its pin: it has to outlive the machines. */
const AUTHORITY_LIFETIME_MS = 20 * 365 * DAY_MS;
const SERVING_LIFETIME_MS = 90 * DAY_MS;
/** An agent whose clock is late by less than this still connects. */
const BACKDATED_MS = DAY_MS;

/** A new self-signed authority for agents to trust. `now`: milliseconds since 1970. */
export function createAuthority(clusterID: string, now: number): Promise<KeyPair> {
  return selfSigned(`Holdfast ${clusterID}`, { from: now - BACKDATED_MS, until: now + AUTHORITY_LIFETIME_MS });
}

/** A serving certificate of `authority` for `names` (DNS names and IP addresses), with a key of its own. */
export function issueServing(authority: KeyPair, names: readonly string[], now: number): Promise<KeyPair> {
  const validity = { from: now - BACKDATED_MS, until: now + SERVING_LIFETIME_MS };
  return issue(authority, { commonName: "holdfast", names }, validity);
}

/** `sha256/<base64>` over the certificate's public key (SubjectPublicKeyInfo), as RFC 7469 computes pins. */
export function spkiPin(pem: string): string {
  const spki = new X509Certificate(pem).publicKey.export({ type: "spki", format: "der" });
  return `sha256/${createHash("sha256").update(spki).digest("base64")}`;
}
