import { Readable } from "node:stream";
import { expect, test } from "vitest";
import { systemRandom } from "#base/random.ts";
import { certificates } from "../../test/integration/wire-certificates.ts";
import { silent } from "../../test/integration/wire-hub.ts";
import { Refusal } from "../hub/refusal.ts";
import { createHttp } from "./server.ts";

test("a body of another content type that fails before its first byte is answered in the one shape of an error", async () => {
  const app = createHttp({ serving: await certificates("server test"), random: systemRandom, log: silent });
  const failing = new Readable({ read: () => failing.destroy(new Refusal(404, "not_found", "there is none")) });
  app.get("/text", (_request, reply) => reply.type("text/plain").send(failing));
  const answer = await app.inject("/text");
  expect([answer.statusCode, answer.json()]).toEqual([404, { error: { code: "not_found", message: "there is none" } }]);
  await app.close();
});
