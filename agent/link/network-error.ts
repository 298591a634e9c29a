import { messageOf } from "#base/errors.ts";

const SENTENCES: { readonly [code: string]: string } = {
  ECONNREFUSED: "nothing listens there",
  ECONNRESET: "the connection was reset",
  ENOTFOUND: "the name is not known to DNS",
  EAI_AGAIN: "DNS does not answer",
  ETIMEDOUT: "no answer in time",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "no route to the network",
  EPROTO: "what answers there does not speak TLS",
  ERR_SSL_WRONG_VERSION_NUMBER: "what answers there does not speak TLS",
  ERR_TLS_CERT_ALTNAME_INVALID: "the server's certificate is for another name",
  CERT_HAS_EXPIRED: "the server's certificate has expired (or this machine's clock is wrong)",
  CERT_NOT_YET_VALID: "the server's certificate is not valid yet (or this machine's clock is wrong)",
  SELF_SIGNED_CERT_IN_CHAIN: "the server's certificate is signed by an authority that is not trusted here",
  DEPTH_ZERO_SELF_SIGNED_CERT: "the server's certificate is signed by an authority that is not trusted here",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "the server's certificate is signed by an authority that is not trusted here",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "the server's certificate is signed by an authority that is not trusted here",
};

/** Why a connection failed, in words; the code of Node or OpenSSL follows for a search. */
export function networkError(error: unknown): string {
  const code = codeOf(error);
  if (code === undefined) return messageOf(error);
  const sentence = SENTENCES[code];
  return sentence === undefined ? messageOf(error) : `${sentence} (${code})`;
}

/** A name with several addresses fails with an AggregateError whose own message is empty. */
function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if ("code" in error && typeof error.code === "string") return error.code;
  if (error instanceof AggregateError) return codeOf(error.errors[0]);
  return codeOf(error.cause);
}
