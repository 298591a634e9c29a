import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { z } from "zod";
import * as field from "#protocol/fields.ts";

/** What an adoption ticket vouches for: that this installation once enrolled an agent with this credential as that host. */
export interface Adoption {
  readonly clusterID: string;
  readonly namespace: string;
  readonly host: string;
  /** SHA-256 of the secret part of the agent's credential, hexadecimal. */
  readonly credentialHash: string;
  /** Ms since 1970. */
  readonly issuedAt: number;
}

const adoption = z.object({
  clusterID: z.string().min(1).max(64),
  namespace: field.namespace,
  host: field.name,
  credentialHash: field.digest,
  issuedAt: z.int().min(0),
});

/** The type is signed too, so that nothing else this key may ever sign can pass for a ticket. */
const HEADER = Buffer.from(JSON.stringify({ alg: "EdDSA", typ: "holdfast-adoption+jwt" })).toString("base64url");

/** Signs and checks adoption tickets: compact JWS (RFC 7515) with the installation's Ed25519 key (RFC 8037). */
export class Tickets {
  readonly #private: KeyObject;
  readonly #public: KeyObject;

  /** `signingKey`: PKCS #8 PEM of an Ed25519 key. */
  constructor(signingKey: string) {
    this.#private = createPrivateKey(signingKey);
    this.#public = createPublicKey(this.#private);
  }

  issue(content: Adoption): string {
    const payload = Buffer.from(JSON.stringify(adoption.parse(content))).toString("base64url");
    const signed = `${HEADER}.${payload}`;
    return `${signed}.${sign(null, Buffer.from(signed), this.#private).toString("base64url")}`;
  }

  /** What the ticket says, or undefined where this installation did not issue it. `ticket` may be anything. */
  open(ticket: string): Adoption | undefined {
    if (ticket.length > 2048) return undefined;
    const [header, payload, signature, ...more] = ticket.split(".");
    if (header !== HEADER || payload === undefined || signature === undefined || more.length > 0) return undefined;
    const signed = Buffer.from(`${header}.${payload}`);
    if (!verify(null, signed, this.#public, Buffer.from(signature, "base64url"))) return undefined;
    return adoption.parse(JSON.parse(Buffer.from(payload, "base64url").toString("utf8")));
  }
}
