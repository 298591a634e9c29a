import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import fastify from "fastify";
import { expect, test } from "vitest";
import { listen } from "./listen.ts";

test("a port that is taken is refused with what to do", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as AddressInfo;
  const app = fastify();
  await expect(listen(app, { host: "127.0.0.1", port })).rejects.toMatchObject({
    code: "operator/listen",
    message: expect.stringMatching(
      /^the operator cannot listen on 127.0.0.1:\d+ \(.*EADDRINUSE.*\): end what .* HOLDFAST_LISTEN/,
    ),
  });
  await app.close();
  other.close();
});
