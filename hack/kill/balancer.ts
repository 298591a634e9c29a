import { connect, createServer, type Server, type Socket } from "node:net";
import { systemRandom } from "#base/random.ts";
import { freePort } from "../cluster/ports.ts";

/**
 * What a Service is to the replicas: one address, each connection to the next replica that takes it. A replica that is
 * gone refuses and is passed over; one that hangs takes connections until it is told not to be ready.
 */
export class Balancer {
  readonly port: number;
  readonly #server: Server;
  /** Of the replicas; set once they have ports. */
  readonly #ports: number[] = [];
  readonly #hanging = new Set<number>();
  readonly #connections = new Set<{ port: number; client: Socket; replica: Socket }>();
  #next = 0;

  private constructor(port: number) {
    this.port = port;
    this.#server = createServer((client) => void this.#forward(client));
  }

  /** Listens on a free port of 127.0.0.1. */
  static async start(): Promise<Balancer> {
    const balancer = new Balancer(await freePort(systemRandom));
    await new Promise<void>((resolve) => balancer.#server.listen(balancer.port, "127.0.0.1", resolve));
    return balancer;
  }

  route(ports: readonly number[]): void {
    this.#ports.push(...ports);
  }

  /** Sends no new connections to a replica, or does so again. */
  ready(port: number, ready: boolean): void {
    if (ready) this.#hanging.delete(port);
    else this.#hanging.add(port);
  }

  /** Cuts the connections of a replica's clients. It is not told: when it wakes up it still holds them. */
  forsake(port: number): void {
    for (const connection of this.#connections) if (connection.port === port) connection.client.resetAndDestroy();
  }

  async stop(): Promise<void> {
    for (const { client, replica } of this.#connections) {
      client.destroy();
      replica.destroy();
    }
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #forward(client: Socket): Promise<void> {
    client.on("error", () => {}); // Its close follows.
    for (let tries = 0; tries < this.#ports.length; tries++) {
      const port = this.#ports[this.#next++ % this.#ports.length]!;
      const replica = this.#hanging.has(port) ? undefined : await opened(port);
      if (replica === undefined) continue;
      const connection = { port, client, replica };
      this.#connections.add(connection);
      replica
        .on("error", () => {})
        .on("close", () => {
          this.#connections.delete(connection);
          client.destroy();
        });
      client.on("close", () => this.#hanging.has(port) || replica.destroy());
      if (client.destroyed) replica.destroy();
      client.pipe(replica).pipe(client);
      return;
    }
    client.resetAndDestroy();
  }
}

/** Undefined where nobody listens. */
function opened(port: number): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(socket)).once("error", () => resolve(undefined));
  });
}
