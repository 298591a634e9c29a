import type { Clock } from "#base/clock.ts";
import type { LogChunk, LogSubject } from "#protocol/frames.ts";
import type { HostKey } from "./ports.ts";
import { Refusal } from "./refusal.ts";
import type { LogAnswer, SessionEvent } from "./session-state.ts";

/** How long a reader waits for its turn, and then for its piece: 16 KiB come in time at half a KiB a second. */
const TIMEOUT_MS = 30_000;

interface Question {
  readonly subject: LogSubject;
  readonly offset: number;
  asked(): void;
  answered(answer: LogAnswer): void;
}

/**
 * The pieces of logs that one session's agent is asked for, and who waits for them. One question is on the way at a time,
 * so that on a slow line no more than a piece is before the session's own frames.
 */
export class LogReads {
  readonly #host: HostKey;
  readonly #clock: Clock;
  readonly #step: (event: SessionEvent) => void;
  /** Aborts when the session's connection is gone. */
  readonly #gone: AbortSignal;
  /** Those who wait for their turn, in its order. */
  readonly #waiting = new Set<Question>();
  /** Stays until it is answered, even if nobody wants to know any more: the answer is on the way. */
  #under: Question | undefined;
  #count = 0;

  constructor(host: HostKey, clock: Clock, gone: AbortSignal, step: (event: SessionEvent) => void) {
    this.#host = host;
    this.#clock = clock;
    this.#gone = gone;
    this.#step = step;
  }

  /** As Hub.readLog. */
  async read(subject: LogSubject, offset: number, signal: AbortSignal): Promise<LogChunk> {
    const over = new AbortController();
    const ends = AbortSignal.any([signal, this.#gone, over.signal]);
    const unanswered = () => {
      if (signal.aborted) throw signal.reason;
      throw this.#gone.aborted ? offline(this.#host) : slow(this.#host);
    };
    const late = () => this.#clock.sleep(TIMEOUT_MS, ends).then(unanswered, unanswered);
    const turn = Promise.withResolvers<void>();
    const answered = Promise.withResolvers<LogAnswer>();
    const question = { subject, offset, asked: turn.resolve, answered: answered.resolve };
    this.#waiting.add(question);
    this.#ask();
    try {
      await Promise.race([turn.promise, late()]);
      const answer = await Promise.race([answered.promise, late()]);
      if (answer.type === "log_missing") throw new Refusal(404, "log_missing", answer.message);
      const { type: _, id: __, ...chunk } = answer;
      return chunk;
    } finally {
      over.abort();
      this.#waiting.delete(question);
    }
  }

  /** The session has the answer to the question it sent last. */
  answered(answer: LogAnswer): void {
    this.#under?.answered(answer);
    this.#under = undefined;
    this.#ask();
  }

  #ask(): void {
    const [first] = this.#waiting;
    if (this.#under !== undefined || first === undefined) return;
    this.#waiting.delete(first);
    this.#under = first;
    const { subject, offset } = first;
    this.#step({ type: "read_log", id: String(++this.#count), subject, offset });
    first.asked();
  }
}

/** Nobody here can ask the agent of `host`. */
export function offline(host: HostKey): Refusal {
  const message = `the agent of Host ${host} is not connected, and its log is on that machine`;
  return new Refusal(503, "host_offline", `${message}. Ask again when it is back; status.logTail has the log's end`);
}

function slow(host: HostKey): Refusal {
  const message = `the agent of Host ${host} is connected, but its answer takes over ${TIMEOUT_MS / 1000} s`;
  const why = "the line is slow, or others read logs of this host too";
  return new Refusal(503, "host_slow", `${message}: ${why}. Ask again; status.logTail has the log's end`);
}
