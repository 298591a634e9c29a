import { HoldfastError } from "#base/errors.ts";

/** An agent's request that is not granted. The code and the message are the answer: what is wrong and what to do. */
export class Refusal extends HoldfastError {
  /** Of the HTTP answer. */
  readonly status: number;

  constructor(status: number, code: string, message: string) {
    super(code, message);
    this.name = "Refusal";
    this.status = status;
  }
}
