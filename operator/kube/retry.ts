import { between, type Random } from "#base/random.ts";
import { KubeError } from "./kube-error.ts";

const RETRY = {
  /** Attempts after the first one. With the delays below a request gives up after some 12 s of a dead server. */
  times: 5,
  firstMs: 250,
  longestMs: 8_000,
  /** A server may ask for more by Retry-After, but not for ever. */
  longestRetryAfterMs: 30_000,
} as const;

/** The server never saw a request that failed with one of these, so that even a create may be sent again. */
const NEVER_SENT = new Set(["ECONNREFUSED", "UND_ERR_CONNECT_TIMEOUT", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH"]);

/**
 * How long to wait before the next attempt, in ms, or undefined to give up. `attempt` counts from 1. 429, and any
 * answer with Retry-After, means that the server has not begun, so every verb is retried; other 5xx and broken
 * connections leave that open, so only what may safely happen twice (`idempotent`) is.
 */
export function retryDelay(error: unknown, attempt: number, idempotent: boolean, random: Random): number | undefined {
  if (!(error instanceof KubeError) || attempt > RETRY.times) return undefined;
  const notBegun = error.status === 429 || error.retryAfterMs !== undefined || neverSent(error);
  const mayPass = error.status === 0 || error.status >= 500;
  if (!notBegun && !(mayPass && idempotent)) return undefined;
  const delay = Math.min(RETRY.firstMs * 2 ** (attempt - 1), RETRY.longestMs);
  const jittered = between(random, delay / 2, delay);
  return Math.max(jittered, Math.min(error.retryAfterMs ?? 0, RETRY.longestRetryAfterMs));
}

function neverSent(error: KubeError): boolean {
  const code = (error.cause as { code?: unknown } | undefined)?.code;
  return error.status === 0 && typeof code === "string" && NEVER_SENT.has(code);
}

/** Seconds, or an HTTP date, to ms from `now`; undefined for anything else. */
export function parseRetryAfter(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
