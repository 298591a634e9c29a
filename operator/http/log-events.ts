import type { Clock } from "#base/clock.ts";
import type { LogChunk } from "#protocol/frames.ts";
import { Refusal } from "../hub/refusal.ts";

/** Who follows a log asks the agent again so long after there was nothing new. */
const ASK_AGAIN_MS = 500;
/** An agent that is restarted, or whose replica is, comes back within this. */
const PATIENCE_MS = 90_000;
/** An agent begins at the character that holds the byte it was asked for. */
const MOST_BEFORE = 3;

export interface LogSource {
  /** A piece from this byte on; rejects with a Refusal where it is not to be had. */
  read(offset: number, signal: AbortSignal): Promise<LogChunk>;
  /** What there is no log of has not ended, as far as is known: it may yet begin. */
  mayBegin(): boolean;
}

export type LogEvent =
  /** `next`: the byte behind these. */
  | { readonly type: "log"; readonly bytes: Buffer; readonly next: number }
  /** Nothing new. */
  | { readonly type: "idle" }
  /** `ended`: nothing will follow; else it was not asked to wait for more. */
  | { readonly type: "end"; readonly next: number; readonly ended: boolean };

/**
 * The log from `offset` to its end, or without `follow` to its present end. The next piece is asked for when the one before
 * was taken. A follower waits for a log that may yet begin, and for an agent that goes away meanwhile. Throws what
 * `source.read` rejects with where that is no help.
 */
export async function* logEvents(
  source: LogSource,
  options: { offset: number; follow: boolean; clock: Clock; signal: AbortSignal },
): AsyncGenerator<LogEvent, void> {
  const { follow, clock, signal } = options;
  let next = options.offset;
  let begun = false;
  let awaySince: number | undefined;

  const passes = ({ code }: Refusal) => {
    if (code === "log_missing") {
      awaySince = undefined;
      return source.mayBegin();
    }
    if (!(code === "host_offline" || code === "host_slow") || !begun) return false;
    awaySince ??= clock.monotonic();
    return clock.monotonic() - awaySince < PATIENCE_MS;
  };

  for (;;) {
    let chunk: LogChunk | undefined;
    try {
      chunk = await source.read(next, signal);
    } catch (error) {
      if (!(follow && error instanceof Refusal && passes(error))) throw error;
    }
    begun = true;
    if (chunk !== undefined) {
      awaySince = undefined;
      if (chunk.size < next) throw shorter(chunk.size, next);
      const before = next - chunk.offset;
      const bytes = Buffer.from(chunk.text).subarray(Math.max(0, before));
      const more = chunk.next > next;
      if (before < 0 || before > MOST_BEFORE || chunk.next < next || (bytes.length > 0 && !more)) {
        throw misplaced(chunk, next);
      }
      next = chunk.next;
      if (bytes.length > 0) yield { type: "log", bytes, next };
      const { ended } = chunk;
      if (ended || (!follow && (!more || next >= chunk.size))) return yield { type: "end", next, ended };
      if (bytes.length > 0) continue;
    }
    yield { type: "idle" };
    await clock.sleep(ASK_AGAIN_MS, signal);
  }
}

function shorter(size: number, offset: number): Refusal {
  return new Refusal(416, "log_shorter", `the log has ${size} bytes, the offset is ${offset}: read it from offset 0`);
}

function misplaced({ offset, next }: LogChunk, asked: number): Refusal {
  const message = `the agent was asked for the log from byte ${asked} on and shows bytes ${offset} to ${next}`;
  return new Refusal(500, "internal", `${message}: please report it, with both releases`);
}
