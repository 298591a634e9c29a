import type { HttpCode, HttpStatus } from "#base/error-codes.ts";
import { HoldfastError } from "#base/errors.ts";

/** An agent's request that is not granted. The code and the message are the answer: what is wrong and what to do. */
export class Refusal extends HoldfastError {
  declare readonly code: HttpCode;
  /** Of the HTTP answer. */
  readonly status: HttpStatus[HttpCode];
  /** Seconds, at least one. */
  readonly retryAfter?: number;

  /** `waitMs`: the time after which it may be granted. */
  constructor(
    ...[status, code, message, waitMs]: {
      [C in HttpCode]: [status: HttpStatus[C], code: C, message: string, waitMs?: number];
    }[HttpCode]
  ) {
    super(code, message);
    this.name = "Refusal";
    this.status = status;
    if (waitMs !== undefined) this.retryAfter = Math.max(1, Math.ceil(waitMs / 1000));
  }
}
