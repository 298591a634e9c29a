import { KubeError } from "./kube-error.ts";
import type { KubeObject } from "./resource.ts";

/** etcd refuses objects of more than 1.5 MiB; as JSON, with escapes, one is never this long. */
const LONGEST_LINE = 8 * 2 ** 20;

/** Cuts a stream of bytes into lines, and never keeps more than one line of bounded length. */
export class LineDecoder {
  readonly #longest: number;
  #kept: Buffer[] = [];
  #keptBytes = 0;

  constructor(longest: number = LONGEST_LINE) {
    this.#longest = longest;
  }

  /** The lines this chunk completes, without their ends; empty ones are left out. Throws kube/bad-response. */
  push(chunk: Buffer): string[] {
    const lines: string[] = [];
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      this.#keep(chunk.subarray(from, end));
      if (this.#keptBytes > 0) lines.push(Buffer.concat(this.#kept).toString("utf8"));
      this.#kept = [];
      this.#keptBytes = 0;
      from = end + 1;
    }
    // A copy: the rest of a line must not hold on to the whole chunk.
    if (from < chunk.length) this.#keep(Buffer.from(chunk.subarray(from)));
    return lines;
  }

  #keep(part: Buffer): void {
    this.#keptBytes += part.length;
    if (this.#keptBytes > this.#longest) {
      throw new KubeError(200, "BadResponse", `watch: an event of more than ${this.#longest} bytes`);
    }
    this.#kept.push(part);
  }
}

export type WatchEvent<T> =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: T; readonly resourceVersion: bigint }
  | { readonly type: "BOOKMARK"; readonly resourceVersion: bigint };

/** One line of a watch. An ERROR event is thrown as the KubeError it means, what is no event as kube/bad-response. */
export function parseWatchEvent<T extends KubeObject>(line: string): WatchEvent<T> {
  let event: { type?: unknown; object?: { metadata?: { name?: unknown; resourceVersion?: unknown } } };
  try {
    event = JSON.parse(line);
  } catch (cause) {
    throw new KubeError(200, "BadResponse", "watch: a line is not JSON", { cause });
  }
  const { type, object } = event;
  if (type === "ERROR") {
    const status = (object ?? {}) as { code?: unknown; reason?: unknown; message?: unknown };
    const code = typeof status.code === "number" ? status.code : 500;
    const reason = typeof status.reason === "string" ? status.reason : undefined;
    throw new KubeError(code, reason, `watch: ${code} ${reason ?? ""}: ${String(status.message).slice(0, 2048)}`);
  }
  const resourceVersion = parseResourceVersion(object?.metadata?.resourceVersion);
  if (type === "BOOKMARK") return { type, resourceVersion };
  if ((type !== "ADDED" && type !== "MODIFIED" && type !== "DELETED") || typeof object?.metadata?.name !== "string") {
    throw new KubeError(
      200,
      "BadResponse",
      `watch: an event of type ${String(type).slice(0, 64)} is none that is known`,
    );
  }
  return { type, object: object as unknown as T, resourceVersion };
}

/** Resource versions of one kind are comparable as numbers of any size (KEP-5504). Throws kube/bad-response. */
export function parseResourceVersion(text: unknown): bigint {
  if (typeof text === "string" && /^\d{1,40}$/.test(text)) return BigInt(text);
  throw new KubeError(200, "BadResponse", `the resourceVersion ${String(text).slice(0, 64)} is not a number`);
}
