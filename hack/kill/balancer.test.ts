import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Balancer } from "./balancer.ts";

let balancer: Balancer;
let replicas: { name: string; port: number; server: Server; taken: Socket[] }[];
let clients: Socket[];

beforeEach(async () => {
  clients = [];
  replicas = await Promise.all(
    ["a", "b"].map(async (name) => {
      const taken: Socket[] = [];
      const server = createServer((socket) => {
        taken.push(socket.on("error", () => {}));
        socket.write(name);
      });
      await once(server.listen(0, "127.0.0.1"), "listening");
      return { name, port: (server.address() as AddressInfo).port, server, taken };
    }),
  );
  balancer = await Balancer.start();
  balancer.route(replicas.map(({ port }) => port));
});

afterEach(async () => {
  for (const socket of [...clients, ...replicas.flatMap(({ taken }) => taken)]) socket.destroy();
  for (const { server } of replicas) server.close();
  await balancer.stop();
});

/** A new client, and the replica it has come to; "" where it was refused. */
async function reached(): Promise<{ closed: Promise<void>; by: string }> {
  const socket = connect(balancer.port, "127.0.0.1").on("error", () => {});
  clients.push(socket);
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  const heard = new Promise<string>((resolve) => socket.once("data", (data) => resolve(`${data}`)));
  return { closed, by: await Promise.race([heard, closed.then(() => "")]) };
}

test("connections go to each replica in turn", async () => {
  expect([(await reached()).by, (await reached()).by].toSorted()).toEqual(["a", "b"]);
});

test("a replica that is gone or not ready is passed over, and nobody is reached where none is left", async () => {
  const [a, b] = replicas as [(typeof replicas)[0], (typeof replicas)[0]];
  a.server.close();
  expect([(await reached()).by, (await reached()).by]).toEqual(["b", "b"]);
  balancer.ready(b.port, false);
  expect((await reached()).by).toBe("");
  balancer.ready(b.port, true);
  expect((await reached()).by).toBe("b");
});

test("a replica that hangs is forsaken by its clients and does not hear of it", async () => {
  const { closed, by } = await reached();
  const replica = replicas.find(({ name }) => name === by)!;
  balancer.ready(replica.port, false);
  balancer.forsake(replica.port);
  await closed;
  replica.taken[0]!.write("still there");
  const { by: next } = await reached();
  expect(next).not.toBe(by);
  expect(replica.taken[0]!.destroyed).toBe(false);
});
