import type { ErrorCode } from "./error-codes.ts";

/**
 * The one error class of Holdfast. `code` is stable and explained in docs/errors.md; `message` says what is wrong, where,
 * and what to do about it, and never holds a secret. Put the underlying error in `cause`.
 */
export class HoldfastError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "HoldfastError";
    this.code = code;
  }
}

/** The message of anything that was thrown, with those of its causes (at most five), for a log line or a condition. */
export function messageOf(error: unknown): string {
  const parts: string[] = [];
  for (let current = error, depth = 0; current !== undefined && current !== null && depth < 5; depth++) {
    const text = current instanceof Error ? current.message : String(current);
    if (text !== "" && !parts.some((part) => part.includes(text))) parts.push(text);
    current = current instanceof Error ? current.cause : undefined;
  }
  return parts.join(": ") || "unknown error";
}
