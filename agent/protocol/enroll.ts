import { z } from "zod";
import * as field from "./fields.ts";

/** `POST /v1/enroll`. The agent makes its credential and sends only its hash, so a repeat is the same enrolment. */
export const enrollRequest = z.object({
  token: z.string().max(512),
  hostname: z.string().min(1).max(255),
  /** SHA-256 of the machine id; never the id itself. */
  machineIDHash: field.digest,
  credentialHash: field.digest,
  os: field.short,
  arch: field.short,
  version: field.short,
});
export type EnrollRequest = z.infer<typeof enrollRequest>;

export const enrollResponse = z.object({
  host: z.object({ uid: field.uid, namespace: field.namespace, name: field.name }),
  clusterID: z.string().min(1).max(64),
  /** wss:// address of the agent endpoint. */
  endpoint: z.string().max(1024),
  /** PEM certificates of the authorities (the current and, while one is being rotated, the next). */
  ca: z.array(z.string().max(16384)).max(4),
  /** Adoption ticket: lets an operator rebuilt with the same installation Secret know this agent again. */
  ticket: z.string().max(2048),
});
export type EnrollResponse = z.infer<typeof enrollResponse>;

/** The one shape of an HTTP error. */
export const httpError = z.object({ error: z.object({ code: z.string().max(64), message: field.message }) });

const TOKEN = /^hft_([0-9a-f]{32})_([A-Za-z0-9_-]{43})$/;
const CREDENTIAL = /^hfa_([a-z0-9-]{1,63})_([a-z0-9.-]{1,63})_([A-Za-z0-9_-]{43})$/;

/** `hft_<id>_<secret>`: the id is the EnrollmentToken's UID without its dashes, the secret 256 bits in base64url. */
export function formatToken(tokenUID: string, secret: string): string {
  return `hft_${tokenUID.replaceAll("-", "")}_${secret}`;
}
export function parseToken(token: string): { id: string; secret: string } | undefined {
  const match = TOKEN.exec(token);
  return match ? { id: match[1]!, secret: match[2]! } : undefined;
}

/** `hfa_<namespace>_<host>_<secret>`: neither name can hold an underscore. */
export function formatCredential(credential: { namespace: string; host: string; secret: string }): string {
  return `hfa_${credential.namespace}_${credential.host}_${credential.secret}`;
}
export function parseCredential(credential: string): { namespace: string; host: string; secret: string } | undefined {
  const match = CREDENTIAL.exec(credential);
  return match ? { namespace: match[1]!, host: match[2]!, secret: match[3]! } : undefined;
}

/** `text` with every token and credential in it made `***`: for what is repeated of something a user has typed. */
export function maskTokens(text: string): string {
  return text.replace(/hf[at]_[A-Za-z0-9._-]+/g, "***");
}

/** The Host name a machine gets: its hostname in lower case, anything a name cannot hold made `-`, at most 63 characters. */
export function hostNameOf(hostname: string): string {
  return hostname
    .toLowerCase()
    .replace(/[^a-z0-9.-]/g, "-")
    .replace(/[-.]*\.[-.]*/g, ".")
    .slice(0, 63)
    .replace(/^[-.]+|[-.]+$/g, "");
}

/** The header of `GET /v1/agent` that carries the adoption ticket beside the credential. */
export const TICKET_HEADER = "holdfast-ticket";
