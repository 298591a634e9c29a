import { type IncomingMessage, request } from "node:http";
import { systemClock } from "#base/clock.ts";
import { revisionOf } from "../cluster/etcd.ts";
import { until } from "../stage/until.ts";
import type { Version } from "./history.ts";

const ALL = "/registry/";
/** Keys whose versions are kept; the rest only tells how far the watch is. */
const KEPT = /^\/registry\/(?:holdfast\.dev\/(?<kind>[a-z]+)|(?<lease>leases))\/[^/]+\/(?<name>[^/]+)$/;
const AGAIN_MS = 100;

interface WatchAnswer {
  result?: {
    events?: { type?: "DELETE"; kv: { key: string; value?: string; mod_revision: string } }[];
  };
}

/**
 * Every version that etcd has ever had, read in etcd itself: a watch through the API server is cut whenever that is
 * killed, and what happened meanwhile would be lost. After etcd's own death it goes on at the revision it has reached.
 * The control plane is never compacted.
 */
export class EtcdHistory {
  readonly #socket: string;
  readonly #versions: Version[] = [];
  readonly #live = new Map<string, Version>();
  #seen = 0;
  #asked: ReturnType<typeof request> | undefined;
  #closed = false;

  /** `socket`: etcd's unix socket. Follows until close(). */
  constructor(socket: string) {
    this.#socket = socket;
    void this.#follow();
  }

  get versions(): readonly Version[] {
    return this.#versions;
  }

  /** The objects that exist, as of what was read last. */
  live(plural: string): Version[] {
    return [...this.#live.values()].filter((version) => version.plural === plural);
  }

  /** Whether there is an object `<plural>/<name>`. */
  has(subject: string): boolean {
    return this.#live.has(subject);
  }

  /** Resolves when all that etcd holds now has been read. */
  async caughtUp(): Promise<void> {
    await until("the history is read", 60, async () => this.#seen >= (await revisionOf(this.#socket)));
  }

  close(): void {
    this.#closed = true;
    this.#asked?.destroy();
  }

  async #follow(): Promise<void> {
    while (!this.#closed) {
      await this.#watch().catch(() => {}); // etcd is away; the next one goes on from there.
      await systemClock.sleep(AGAIN_MS);
    }
  }

  #watch(): Promise<void> {
    const create = { key: btoa(ALL), range_end: btoa(endOf(ALL)), start_revision: String(this.#seen + 1) };
    return new Promise((resolve, reject) => {
      const options = { socketPath: this.#socket, path: "/v3/watch", method: "POST" };
      this.#asked = request(options, (response) => this.#read(response).then(resolve, reject));
      this.#asked.on("error", reject);
      this.#asked.end(JSON.stringify({ create_request: create }));
    });
  }

  async #read(response: IncomingMessage): Promise<void> {
    let rest = "";
    for await (const chunk of response.setEncoding("utf8")) {
      const lines = `${rest}${chunk}`.split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#take(JSON.parse(line) as WatchAnswer);
    }
  }

  #take({ result }: WatchAnswer): void {
    for (const { type, kv } of result?.events ?? []) {
      const revision = Number(kv.mod_revision);
      this.#seen = Math.max(this.#seen, revision);
      const found = KEPT.exec(text(kv.key))?.groups;
      if (found === undefined) continue;
      const plural = found["kind"] ?? found["lease"]!;
      const name = found["name"]!;
      const of = { revision, plural, name };
      const version: Version = type === "DELETE" ? of : { ...of, object: parsed(kv.value ?? "", revision) };
      this.#versions.push(version);
      if (version.object === undefined) this.#live.delete(`${plural}/${name}`);
      else this.#live.set(`${plural}/${name}`, version);
    }
  }
}

function parsed(value: string, revision: number): NonNullable<Version["object"]> {
  const object = JSON.parse(text(value));
  // etcd's objects have no resourceVersion: it is the revision.
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata: { ...metadata, resourceVersion: String(revision) } };
}

/** The first key behind all that begin with `prefix`. */
function endOf(prefix: string): string {
  return prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
}

function text(base64: string): string {
  return Buffer.from(base64, "base64").toString("utf8");
}
