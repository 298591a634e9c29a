import * as certificate from "../../operator/installation/certificate.ts";

const HOUR_MS = 3_600_000;
/** A test cluster lives minutes; one that was left standing must not surprise its user after a week. */
const LIFETIME_MS = 365 * 24 * HOUR_MS;

/** A new self-signed certificate authority. `now`: milliseconds since 1970. */
export function createAuthority(commonName: string, now: number): Promise<certificate.KeyPair> {
  return certificate.selfSigned(commonName, validity(now));
}

/** A certificate signed by `authority` with a key of its own. `now`: milliseconds since 1970. */
export function issue(
  authority: certificate.KeyPair,
  subject: certificate.Subject,
  now: number,
): Promise<certificate.KeyPair> {
  return certificate.issue(authority, subject, validity(now));
}

function validity(now: number): certificate.Validity {
  return { from: now - HOUR_MS, until: now + LIFETIME_MS };
}
