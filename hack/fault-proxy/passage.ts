import { setTimeout as sleep } from "node:timers/promises";

/** Where the body of an answer goes. */
export interface Client {
  /** Resolves when the client has room for more. */
  write(chunk: Buffer): Promise<void>;
  /** The regular end of the answer. */
  end(): void;
  /** Resets the connection. */
  reset(): void;
}

/** What rules make of the next chunk of a body. */
export interface Treatment {
  readonly silent: boolean;
  readonly truncate: "end" | "reset" | undefined;
  readonly oversizeBytes: number;
  readonly bytesPerSecond: number;
}

const STEP_MS = 100;

/** Hands a body on, asking for each chunk how to treat it. Ends early when `gone` aborts: the client has left. */
export async function pass(
  body: AsyncIterable<Buffer>,
  treatment: () => Treatment,
  client: Client,
  gone: AbortSignal,
): Promise<void> {
  for await (const chunk of body) {
    const { silent, truncate, oversizeBytes, bytesPerSecond } = treatment();
    if (silent) continue;
    if (oversizeBytes > 0) await writeLine(client, oversizeBytes, gone);
    if (truncate !== undefined) {
      await client.write(chunk.subarray(0, Math.floor(chunk.length / 2)));
      if (truncate === "end") client.end();
      else client.reset();
      return;
    }
    await writeSlowly(client, chunk, bytesPerSecond, gone);
    if (gone.aborted) return;
  }
  client.end();
}

async function writeLine(client: Client, bytes: number, gone: AbortSignal): Promise<void> {
  const part = Buffer.alloc(64 * 1024, "x");
  for (let left = bytes; left > 0 && !gone.aborted; left -= part.length) await client.write(part.subarray(0, left));
  if (!gone.aborted) await client.write(Buffer.from("\n"));
}

async function writeSlowly(client: Client, chunk: Buffer, perSecond: number, gone: AbortSignal): Promise<void> {
  if (perSecond === Number.POSITIVE_INFINITY) return client.write(chunk);
  const step = Math.max(1, Math.floor((perSecond * STEP_MS) / 1000));
  for (let from = 0; from < chunk.length && !gone.aborted; from += step) {
    await client.write(chunk.subarray(from, from + step));
    await sleep(STEP_MS);
  }
}
