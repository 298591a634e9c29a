import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** A TCP proxy in front of an API server that a test can make misbehave. */
export class KubeProxy implements AsyncDisposable {
  /** Connections taken so far. */
  connections = 0;
  /** By how much everything the server says comes late. */
  latencyMs = 0;
  readonly #pairs = new Set<[Socket, Socket]>();
  readonly #dead = new Set<[Socket, Socket]>();
  #server: Server;
  #mode: "forward" | "refuse" | "hang" = "forward";

  private constructor(target: URL) {
    this.#server = createServer((client) => {
      if (this.#mode === "refuse") {
        client.resetAndDestroy();
        return;
      }
      this.connections++;
      const server = connect(Number(target.port), target.hostname);
      const pair: [Socket, Socket] = [client, server];
      this.#pairs.add(pair);
      const forwards = () => this.#mode === "forward" && !this.#dead.has(pair);
      client.on("data", (data) => forwards() && server.write(data));
      // Each chunk waits for the one before, so that the order stays.
      let last: Promise<unknown> = Promise.resolve();
      server.on("data", (data) => {
        const until = performance.now() + this.latencyMs;
        last = last.then(async () => {
          const left = until - performance.now();
          if (left > 0) await sleep(left);
          if (forwards()) client.write(data);
        });
      });
      for (const socket of pair) {
        socket.on("error", () => {});
        socket.on("close", () => {
          this.#pairs.delete(pair);
          this.#dead.delete(pair);
          for (const other of pair) other.destroy();
        });
      }
    });
  }

  static async start(target: string): Promise<KubeProxy> {
    const proxy = new KubeProxy(new URL(target));
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get url(): URL {
    return new URL(`https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`);
  }

  get open(): number {
    return this.#pairs.size;
  }

  /** Resets (RST) every connection there is; new ones work. */
  cut(): void {
    for (const [client] of this.#pairs) client.resetAndDestroy();
  }

  /** Resets every connection, and each new one, until forward(). */
  refuse(): void {
    this.#mode = "refuse";
    this.cut();
  }

  /** Keeps connections open and says nothing on them, as a machine that vanished without a word. */
  hang(): void {
    this.#mode = "hang";
  }

  /** The connections there are stay open and silent for ever, as those through a firewall that forgot them; new ones work. */
  forget(): void {
    for (const pair of this.#pairs) this.#dead.add(pair);
  }

  forward(): void {
    this.#mode = "forward";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
