import type { Clock } from "#base/clock.ts";
import type { LogChunk, LogSubject } from "#protocol/frames.ts";
import type { HostKey } from "./ports.ts";
import { Refusal } from "./refusal.ts";
import type { LogAnswer, SessionEvent } from "./session-state.ts";

/** How long an agent may take to read a piece of a log. */
const TIMEOUT_MS = 10_000;

/** The pieces of logs that one session's agent was asked for, and who waits for them. */
export class LogReads {
  readonly #host: HostKey;
  readonly #clock: Clock;
  readonly #step: (event: SessionEvent) => void;
  /** Aborts when the session's connection is gone. */
  readonly #gone: AbortSignal;
  readonly #waiting = new Map<string, (answer: LogAnswer) => void>();
  #asked = 0;

  constructor(host: HostKey, clock: Clock, gone: AbortSignal, step: (event: SessionEvent) => void) {
    this.#host = host;
    this.#clock = clock;
    this.#gone = gone;
    this.#step = step;
  }

  /** As Hub.readLog. */
  async read(subject: LogSubject, offset: number, signal: AbortSignal): Promise<LogChunk> {
    const id = String(++this.#asked);
    const over = new AbortController();
    const unanswered = () => {
      throw signal.aborted ? signal.reason : offline(this.#host);
    };
    const ends = AbortSignal.any([signal, this.#gone, over.signal]);
    const late = this.#clock.sleep(TIMEOUT_MS, ends).then(unanswered, unanswered);
    const answered = new Promise<LogAnswer>((resolve) => this.#waiting.set(id, resolve));
    this.#step({ type: "read_log", id, subject, offset });
    try {
      const answer = await Promise.race([answered, late]);
      if (answer.type === "log_missing") throw new Refusal(404, "log_missing", answer.message);
      const { type: _, id: __, ...chunk } = answer;
      return chunk;
    } finally {
      over.abort();
      this.#waiting.delete(id);
      this.#step({ type: "log_given_up", id });
    }
  }

  /** The session has this answer, which it had asked for. */
  answered(answer: LogAnswer): void {
    this.#waiting.get(answer.id)?.(answer);
  }
}

/** Nobody here can ask the agent of `host`. */
export function offline(host: HostKey): Refusal {
  const message = `the agent of Host ${host} is not connected or does not answer, and its log is on that machine`;
  return new Refusal(503, "host_offline", `${message}. Ask again when it is back; status.logTail has the log's end`);
}
