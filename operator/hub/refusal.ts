import type { HttpCode, HttpStatus } from "#base/error-codes.ts";
import { HoldfastError } from "#base/errors.ts";

/** An agent's request that is not granted. The code and the message are the answer: what is wrong and what to do. */
export class Refusal extends HoldfastError {
  /** Of the HTTP answer. */
  readonly status: number;

  constructor(
    ...[status, code, message]: { [C in HttpCode]: [status: HttpStatus[C], code: C, message: string] }[HttpCode]
  ) {
    super(code, message);
    this.name = "Refusal";
    this.status = status;
  }
}
