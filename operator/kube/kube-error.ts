import type { KubeCode } from "#base/error-codes.ts";
import { HoldfastError } from "#base/errors.ts";

/** The causes the API server names in `Status.reason`, or that the client finds itself, and the code each one has here. */
const CODES: Readonly<Record<string, KubeCode>> = {
  NotFound: "kube/not-found",
  Conflict: "kube/conflict",
  AlreadyExists: "kube/already-exists",
  Gone: "kube/gone",
  Expired: "kube/gone",
  Forbidden: "kube/forbidden",
  Unauthorized: "kube/unauthorized",
  Invalid: "kube/invalid",
  BadRequest: "kube/bad-request",
  TooManyRequests: "kube/too-many-requests",
  Timeout: "kube/timeout",
  ServerTimeout: "kube/timeout",
  ServiceUnavailable: "kube/unavailable",
  InternalError: "kube/internal",
  RequestEntityTooLarge: "kube/too-large",
  Unreachable: "kube/unreachable",
  BadResponse: "kube/bad-response",
};

/**
 * What an answer without a usable `reason` (a proxy's, for instance) means by its HTTP status. A 404 says nothing of the
 * object then: the API server does not serve the kind (its CRD is gone or not ready), or it is not who answers.
 */
const REASONS: Readonly<Record<number, string>> = {
  400: "BadRequest",
  401: "Unauthorized",
  403: "Forbidden",
  404: "ServiceUnavailable",
  409: "Conflict",
  410: "Gone",
  413: "RequestEntityTooLarge",
  422: "Invalid",
  429: "TooManyRequests",
  500: "InternalError",
  503: "ServiceUnavailable",
  504: "Timeout",
};

/** A request the API server refused, or did not answer. An aborted signal is not one: its own reason is thrown as it is. */
export class KubeError extends HoldfastError {
  /** The HTTP status; 0 when there was no answer. */
  readonly status: number;
  /** `Status.reason` of the API server, or Unreachable, Timeout, BadResponse when the client found out itself. */
  readonly reason: string;
  /** What the server asked for by Retry-After. */
  readonly retryAfterMs: number | undefined;

  constructor(
    status: number,
    reason: string | undefined,
    message: string,
    options?: { cause?: unknown; retryAfterMs?: number | undefined },
  ) {
    const known = reason !== undefined && Object.hasOwn(CODES, reason) ? reason : (REASONS[status] ?? "BadResponse");
    super(CODES[known] ?? "kube/bad-response", message, options);
    this.name = "KubeError";
    this.status = status;
    this.reason = known;
    this.retryAfterMs = options?.retryAfterMs;
  }
}

const has = (code: KubeCode) => (error: unknown) => error instanceof KubeError && error.code === code;

export const isNotFound = has("kube/not-found");
/** The object has changed since it was read, or is another one under the same name: read again and recompute. */
export const isConflict = has("kube/conflict");
export const isAlreadyExists = has("kube/already-exists");
/** The resourceVersion or continue token asked for is older than what the API server keeps: list again. */
export const isGone = has("kube/gone");
export const isForbidden = has("kube/forbidden");
export const isUnauthorized = has("kube/unauthorized");
/** The API server's validation refused the content; the same content will be refused again. */
export const isInvalid = has("kube/invalid");

/**
 * True for what may pass by itself: no answer, 429, 5xx, a kind that is not served. False for refusals, conflicts and
 * everything that is no KubeError.
 */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof KubeError)) return false;
  return error.status === 0 || error.status === 429 || error.status >= 500 || error.code === "kube/unavailable";
}
