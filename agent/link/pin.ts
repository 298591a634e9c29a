import { createHash, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { connect, type DetailedPeerCertificate } from "node:tls";
import { HoldfastError } from "#base/errors.ts";
import { networkError } from "./network-error.ts";

const PIN = /^sha256\/[A-Za-z0-9+/]{43}=$/;
const TIMEOUT_MS = 15_000;
/** Certificates of a chain that are looked at. */
const MAX_CHAIN = 8;

export function isPin(text: string): boolean {
  return PIN.test(text);
}

/** `sha256/<base64 of the SHA-256 of the public key (SPKI)>`: what survives when a certificate is renewed with its key. */
function pinOf(certificate: X509Certificate): string {
  const spki = certificate.publicKey.export({ type: "spki", format: "der" });
  return `sha256/${createHash("sha256").update(spki).digest("base64")}`;
}

/**
 * The certificate (PEM) of the server's chain whose key is `pin`. Nothing is sent over this connection: it is not trusted.
 * Whoever answers proves nothing by showing a public certificate; the caller must connect again and verify against it.
 */
export async function authorityByPin(server: URL, pin: string): Promise<string> {
  const chain = await readChain(server);
  const found = chain.find((certificate) => pinOf(certificate) === pin);
  if (found) return found.toString();
  const seen = chain.map((certificate) => `${pinOf(certificate)} (${certificate.subject.replaceAll("\n", ", ")})`);
  throw new HoldfastError(
    "enroll/pin-mismatch",
    `${server.host} does not have the key ${pin}; it shows ${seen.join(", ") || "no certificate"}. ` +
      "Either another server answers under this name, then find out which before you go on, or the pin is out of date: " +
      "take the one in the EnrollmentToken's Secret (key pin)",
  );
}

function readChain(server: URL): Promise<X509Certificate[]> {
  const host = server.hostname.replace(/^\[|\]$/g, "");
  const port = server.port === "" ? 443 : Number(server.port);
  return new Promise((resolve, reject) => {
    // Unverified on purpose: the pin is the verification, and nothing is sent.
    const socket = connect({ host, port, rejectUnauthorized: false, ...(isIP(host) ? {} : { servername: host }) });
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(Object.assign(new Error("no answer"), { code: "ETIMEDOUT" })));
    socket.once("error", (cause) => {
      reject(
        new HoldfastError("enroll/unreachable", `cannot connect to ${server.host}: ${networkError(cause)}`, { cause }),
      );
    });
    socket.once("secureConnect", () => {
      const chain: X509Certificate[] = [];
      let next: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
      while (next?.raw && chain.length < MAX_CHAIN) {
        const { raw } = next;
        if (chain.some((certificate) => certificate.raw.equals(raw))) break;
        chain.push(new X509Certificate(raw));
        next = next.issuerCertificate;
      }
      socket.destroy();
      resolve(chain);
    });
  });
}
