import "reflect-metadata"; // @peculiar/x509 needs it loaded first
import * as x509 from "@peculiar/x509";

/** A certificate or authority and its private key, both PEM. */
export interface KeyPair {
  cert: string;
  key: string;
}

export interface Subject {
  /** The user name of a client certificate. */
  commonName: string;
  /** The groups of a client certificate. */
  organizations?: string[];
  /** DNS names and IP addresses of a server certificate. With none it is a client certificate. */
  servedAs?: { dns: string[]; ip: string[] };
}

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const HOUR_MS = 3_600_000;
/** A test cluster lives minutes; one that was left standing must not surprise its user after a week. */
const LIFETIME_MS = 365 * 24 * HOUR_MS;

/** A new self-signed certificate authority. `now`: milliseconds since 1970. */
export async function createAuthority(commonName: string, now: number): Promise<KeyPair> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const cert = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [commonName] }],
    ...validity(now),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { cert: cert.toString("pem"), key: await privateKeyPem(keys.privateKey) };
}

/** A certificate signed by `authority` with a key of its own. `now`: milliseconds since 1970. */
export async function issue(authority: KeyPair, subject: Subject, now: number): Promise<KeyPair> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const signingKey = await crypto.subtle.importKey(
    "pkcs8",
    x509.PemConverter.decodeFirst(authority.key),
    algorithm,
    false,
    ["sign"],
  );
  const { servedAs } = subject;
  const usage = servedAs === undefined ? x509.ExtendedKeyUsage.clientAuth : x509.ExtendedKeyUsage.serverAuth;
  const cert = await x509.X509CertificateGenerator.create({
    // As a list, not as a string: user and group names may hold any character.
    subject: [{ CN: [subject.commonName] }, ...(subject.organizations ?? []).map((name) => ({ O: [name] }))],
    issuer: new x509.X509Certificate(authority.cert).subjectName,
    ...validity(now),
    signingAlgorithm: algorithm,
    publicKey: keys.publicKey,
    signingKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([usage]),
      await x509.AuthorityKeyIdentifierExtension.create(new x509.X509Certificate(authority.cert).publicKey),
      ...(servedAs === undefined
        ? []
        : [
            new x509.SubjectAlternativeNameExtension([
              ...servedAs.dns.map((value) => ({ type: "dns" as const, value })),
              ...servedAs.ip.map((value) => ({ type: "ip" as const, value })),
            ]),
          ]),
    ],
  });
  return { cert: cert.toString("pem"), key: await privateKeyPem(keys.privateKey) };
}

/** A key pair without a certificate, for signing ServiceAccount tokens; both PEM. */
export async function createSigningKey(): Promise<{ publicKey: string; privateKey: string }> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const publicKey = await crypto.subtle.exportKey("spki", keys.publicKey);
  return {
    publicKey: x509.PemConverter.encode(publicKey, "PUBLIC KEY"),
    privateKey: await privateKeyPem(keys.privateKey),
  };
}

async function privateKeyPem(key: Parameters<typeof crypto.subtle.exportKey>[1]): Promise<string> {
  return x509.PemConverter.encode(await crypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY");
}

function validity(now: number): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(now - HOUR_MS), notAfter: new Date(now + LIFETIME_MS) };
}
