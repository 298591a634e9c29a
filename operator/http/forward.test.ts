import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { afterEach, expect, test } from "vitest";
import { ManualClock } from "#base/manual-clock.ts";
import { certificates } from "../../test/integration/wire-certificates.ts";
import { forward } from "./forward.ts";

const never = new AbortController().signal;
const authority = await certificates("forward test");
const servers: Server[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

/** A replica, or what stands at its address; `seen` are the tokens that came to it. */
async function replica(material: { cert: string; key: string }): Promise<{ address: string; seen: unknown[] }> {
  const seen: unknown[] = [];
  const server = createServer(material, (request, response) => {
    seen.push(request.headers.authorization);
    response.writeHead(203).end(request.url);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

/** One that answers when the test does: `asked` resolves with the answer to the next request. */
async function slowReplica(): Promise<{ address: string; asked: () => Promise<ServerResponse> }> {
  const server = createServer(authority);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const asked = async () => (await once(server, "request"))[1] as ServerResponse;
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

const clock = new ManualClock();
const headers = { authorization: "Bearer mine" };
const ask = (address: string, ca: string, servername = "localhost", signal = never) =>
  forward({ ca, servername }, { address, path: "/log?offset=1", headers }, clock, signal);

test("a replica is asked at its address by the name in its certificate, with the caller's own token", async () => {
  const { address, seen } = await replica(authority);
  const answer = await ask(address, authority.ca);
  let body = "";
  for await (const part of answer) body += part;
  expect([answer.statusCode, body, seen]).toEqual([203, "/log?offset=1", ["Bearer mine"]]);
});

test("no token is shown to who has no certificate of this installation, or one of another name", async () => {
  const { address, seen } = await replica(await certificates("stranger"));
  const refused = { status: 503, code: "replica_unreachable", message: expect.stringContaining(address) };
  await expect(ask(address, authority.ca)).rejects.toMatchObject(refused);
  const other = await replica(authority);
  await expect(ask(other.address, authority.ca, "holdfast.elsewhere.svc")).rejects.toMatchObject({
    code: "replica_unreachable",
  });
  expect([seen, other.seen]).toEqual([[], []]);
});

test("where nobody listens, that is said; who has gone is not waited for", async () => {
  const { address } = await replica(authority);
  servers[0]!.close();
  await expect(ask(address, authority.ca)).rejects.toMatchObject({ code: "replica_unreachable" });
  await expect(ask(address, authority.ca, "localhost", AbortSignal.abort(new Error("left")))).rejects.toThrow("left");
});

test("who does not shake hands within 5 s is not waited for", async () => {
  const mute = createTcpServer((socket) => socket.on("error", () => {})).listen(0, "127.0.0.1");
  const connected = once(mute, "connection");
  await once(mute, "listening");
  const asked = ask(`127.0.0.1:${(mute.address() as AddressInfo).port}`, authority.ca);
  const refused = expect(asked).rejects.toMatchObject({ code: "replica_unreachable" });
  await connected;
  await clock.advance(5_000);
  await refused;
  mute.close();
});

test("a replica has a minute and a half for its answer, and any time for its body", async () => {
  const { address, asked } = await slowReplica();
  const answered = ask(address, authority.ca);
  const respond = await asked();
  await clock.advance(89_000);
  respond.flushHeaders();
  const answer = await answered;
  await clock.advance(600_000);
  respond.end("late");
  expect(String(await answer.toArray())).toBe("late");

  const unanswered = expect(ask(address, authority.ca)).rejects.toMatchObject({ code: "replica_unreachable" });
  await asked();
  await clock.advance(90_000);
  await unanswered;
});
