import { createAuthority, issueServing, spkiPin } from "../../operator/installation/authority.ts";

export interface Authority {
  /** PEM of the authority. */
  ca: string;
  pin: string;
  /** A certificate for localhost and 127.0.0.1, with the authority's after it, and its key. */
  cert: string;
  /** The certificate alone. */
  leaf: string;
  key: string;
}

/** A certificate authority of its own and one server certificate by it. */
export async function certificates(name: string): Promise<Authority> {
  const now = Date.now();
  const authority = await createAuthority(name, now);
  const { cert: ca } = authority;
  const { cert: leaf, key } = await issueServing(authority, ["localhost", "127.0.0.1"], now);
  return { ca, pin: spkiPin(ca), cert: `${leaf}\n${ca}`, leaf, key };
}
