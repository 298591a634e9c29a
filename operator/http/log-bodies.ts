import type { Clock } from "#base/clock.ts";
import type { Refusal } from "../hub/refusal.ts";
import type { LogEvent } from "./log-events.ts";

/** Well below the minute after which proxies on the way drop what is silent. */
const HEARTBEAT_MS = 15_000;
/** A reader that takes nothing for so long gives its place to others. */
const STALL_MS = 300_000;
/** A replica that lives says something within this: a heartbeat, which an agent may hold up for 30 s in its queue and 30 s more. */
const SILENCE_MS = 90_000;

/** The bytes of the log and nothing else; what is thrown cuts the answer off, so that nobody takes a part for the whole. */
export async function* plainText(events: AsyncIterable<LogEvent>): AsyncGenerator<Buffer, void> {
  for await (const event of events) if (event.type === "log") yield event.bytes;
}

/**
 * text/event-stream: `log` events whose data, one after the other, is the log byte for byte, each with the byte behind it as
 * id, so that Last-Event-ID resumes; then `end`, or `error` with what `refusalOf` makes of what was thrown.
 */
export async function* serverSentEvents(
  events: AsyncIterable<LogEvent>,
  clock: Clock,
  refusalOf: (error: unknown) => Refusal,
): AsyncGenerator<Buffer, void> {
  yield Buffer.from("retry: 1000\n\n");
  let saidAt = clock.monotonic();
  try {
    for await (const event of events) {
      const quiet = clock.monotonic() - saidAt < HEARTBEAT_MS;
      if (event.type === "idle" && quiet) continue;
      if (event.type === "idle") yield Buffer.from(": nothing new\n\n");
      else if (event.type === "log") yield message("log", event.bytes, event.next);
      else yield message("end", Buffer.from(JSON.stringify({ size: event.next, ended: event.ended })), event.next);
      saidAt = clock.monotonic();
    }
  } catch (error) {
    const { code, message: text } = refusalOf(error);
    yield message("error", Buffer.from(JSON.stringify({ error: { code, message: text } })));
  }
}

/** A line end in the data begins another line of data. Latin-1 is one character a byte: the first may be half a character. */
function message(event: string, data: Buffer, id?: number): Buffer {
  const lines = data.toString("latin1").replaceAll("\n", "\ndata: ");
  return Buffer.from(`${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${lines}\n\n`, "latin1");
}

/**
 * `chunks`, with a call of `onStall` where one of them is not taken in time. Behind the last, which waits in the answer's
 * buffers, `over` must abort in that time.
 */
export async function* takenInTime<T>(
  chunks: AsyncIterable<T>,
  clock: Clock,
  onStall: () => void,
  over: AbortSignal,
): AsyncGenerator<T, void> {
  for await (const chunk of chunks) {
    const cancel = clock.after(STALL_MS, onStall);
    try {
      yield chunk;
    } finally {
      cancel();
    }
  }
  if (!over.aborted) over.addEventListener("abort", clock.after(STALL_MS, onStall), { once: true });
}

/** `chunks`, with a call of `onSilence` where the next one asked for does not come in time. */
export async function* saidInTime<T>(
  chunks: AsyncIterable<T>,
  clock: Clock,
  onSilence: () => void,
): AsyncGenerator<T, void> {
  let cancel = clock.after(SILENCE_MS, onSilence);
  try {
    for await (const chunk of chunks) {
      cancel();
      yield chunk;
      cancel = clock.after(SILENCE_MS, onSilence);
    }
  } finally {
    cancel();
  }
}
