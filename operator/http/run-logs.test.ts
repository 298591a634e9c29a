import { once } from "node:events";
import { get as httpGet, type IncomingMessage } from "node:http";
import { createServer } from "node:https";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import Fastify from "fastify";
import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { ManualClock } from "#base/manual-clock.ts";
import type { LogChunk } from "#protocol/frames.ts";
import { certificates } from "../../test/integration/wire-certificates.ts";
import { Refusal } from "../hub/refusal.ts";
import { type RunLogRoutes, runLogRoutes } from "./run-logs.ts";

// Streams, rights and replicas as they are: test/e2e/run-log.test.ts. Here: what takes time, and what is hard to bring about.

const RUN = { metadata: { namespace: "a", name: "nightly", uid: "run-1" }, spec: { hostRef: "web-1" }, status: {} };

/** The routes of a replica where everybody may read the log of the run `nightly`; `log` is what its agent answers. */
function replica(log: (offset: number) => LogChunk, change: Partial<RunLogRoutes> = {}) {
  const app = Fastify();
  const clock = new ManualClock();
  const world = { here: true, run: RUN as typeof RUN | undefined };
  app.setErrorHandler((error, _request, reply) => {
    const { status, code, message } = error as Refusal;
    reply.code(status).send({ code, message });
  });
  const routes = {
    hub: {
      session: () => (world.here ? {} : undefined),
      async readLog(_host: string, _subject: object, offset: number) {
        if (!world.here) throw new Refusal(503, "host_offline", "away");
        return log(offset);
      },
    },
    caches: {
      runs: { get: () => world.run },
      restores: { get: () => undefined },
      hosts: { get: () => ({ status: { session: { replica: "other" } } }) },
    },
    client: {
      create: async (kind: { plural: string }) => {
        const user = { username: "reader" };
        return { status: kind.plural === "tokenreviews" ? { authenticated: true, user } : { allowed: true } };
      },
    },
    watchNamespaces: undefined,
    elsewhere: () => ({ address: undefined }),
    peers: { ca: "", servername: "" },
    registry: new Registry(),
    clock,
    log: { error() {} },
    stop: new AbortController().signal,
    ...change,
  };
  runLogRoutes(app, routes as unknown as RunLogRoutes);
  const get = (query = "", headers: Record<string, string> = {}) =>
    app.inject({
      url: `/api/v1/namespaces/a/backupruns/nightly/log${query}`,
      headers: { authorization: "Bearer token", ...headers },
    });
  /** As `get`, over a connection: the answer's head, its body not read. */
  const open = async (query: string, headers: Record<string, string> = {}): Promise<IncomingMessage> => {
    await app.listen({ host: "127.0.0.1", port: 0 });
    const { port } = app.server.address() as AddressInfo;
    const path = `/api/v1/namespaces/a/backupruns/nightly/log${query}`;
    const options = {
      host: "127.0.0.1",
      port,
      path,
      agent: false,
      headers: { authorization: "Bearer token", ...headers },
    };
    const [response] = await once(httpGet(options), "response");
    return response.on("error", () => {});
  };
  return { app, clock, world, get, open };
}

const events = { accept: "text/event-stream" };
const words = (offset: number): LogChunk => ({
  offset,
  next: offset + 6,
  text: "words\n",
  size: offset + 6,
  ended: offset >= 12,
});

test("all logs together are read at 200 pieces a second, after 256 at once", async () => {
  let pieces = 0;
  const { clock, get } = replica((offset) => ({
    offset,
    next: offset + 2,
    text: "x\n",
    size: 1_000_000,
    ended: ++pieces >= 500,
  }));
  const atRest = async () => {
    for (let before = -1; before !== pieces; ) {
      before = pieces;
      for (let turn = 0; turn < 50; turn++) await clock.advance(0);
    }
    return pieces;
  };
  const reads = Promise.all([get("?follow=true"), get("?follow=true")]);
  // One piece each is in a reader's hands before its turn is asked for.
  expect(await atRest()).toBe(258);
  await clock.advance(1_000);
  expect(await atRest()).toBe(458);
  await clock.advance(1_000);
  expect((await reads).map(({ statusCode }) => statusCode)).toEqual([200, 200]);
});

test("when the agent moves to another replica, who follows is told to ask again, and where to go on is known", async () => {
  const { clock, world, get } = replica((offset) => {
    world.here = offset < 6;
    return { offset, next: offset + 6, text: "words\n", size: offset + 6, ended: false };
  });
  const answer = get("?follow=true", events);
  await clock.advance(60_000);
  const { body, statusCode } = await answer;
  expect(statusCode).toBe(200);
  expect(body).toMatch(/id: 12\nevent: log\n[\s\S]*event: error\ndata: \{"error":\{"code":"host_moved"/);
});

test("a follower of a run that is deleted before it began is let go", async () => {
  const { clock, world, get } = replica(() => {
    throw new Refusal(404, "log_missing", "not here");
  });
  const answer = get("?follow=true", events);
  await clock.advance(5_000);
  world.run = undefined;
  await clock.advance(1_000);
  expect((await answer).body).toContain('event: error\ndata: {"error":{"code":"log_missing"');
});

test("a replica that nobody knows the way to is named with the setting to mend, and nobody is sent on twice", async () => {
  const { world, get } = replica(words);
  world.here = false;
  expect((await get()).json()).toMatchObject({
    code: "replica_unreachable",
    message: expect.stringContaining("HOLDFAST_ADVERTISE"),
  });
  expect((await get("", { "holdfast-forwarded": "true" })).json()).toMatchObject({ code: "host_moved" });
});

test("a namespace that is not served is named as such", async () => {
  const { get } = replica(words, { watchNamespaces: ["b"] });
  expect((await get()).json()).toMatchObject({
    code: "not_found",
    message: expect.stringMatching(/namespace a .*WATCH/),
  });
});

test("who follows a log that is empty so far is answered at once, and cut off where it fails before its first byte", async () => {
  let gone = false;
  const { app, clock, open } = replica((offset) => {
    if (gone) throw new Refusal(503, "host_moved", "gone");
    return { offset, next: offset, text: "", size: 0, ended: false };
  });
  const answer = await open("?follow=true");
  expect([answer.statusCode, answer.headers["content-type"]]).toEqual([200, "text/plain; charset=utf-8"]);
  gone = true;
  const cut = once(answer, "aborted");
  await clock.advance(500);
  await cut;
  await app.close();
});

/** A piece of more than the buffers on the way hold. */
function long(offset: number, ended: boolean): LogChunk {
  const text = "x".repeat(64 * 1024 * 1024);
  const next = offset + text.length;
  return { offset, next, text, size: next, ended };
}

test("a reader who takes nothing holds up the stop of a replica for 2 s and no longer", async () => {
  const stop = new AbortController();
  const { app, clock, open } = replica((offset) => long(offset, false), { stop: stop.signal });
  const answer = await open("?follow=true");
  await clock.advance(0);
  stop.abort();
  let closed = false;
  const closing = app.close().then(() => {
    closed = true;
  });
  await clock.advance(1_999);
  expect(closed).toBe(false);
  await clock.advance(1);
  await closing;
  answer.destroy();
});

test("a reader who does not take the end of a log has its place for 5 minutes and no longer", async () => {
  const registry = new Registry();
  const { app, clock, open } = replica((offset) => long(offset, true), { registry });
  const answer = await open("");
  await clock.advance(299_000);
  expect(await registry.metrics()).toContain("holdfast_log_streams 1");
  await clock.advance(1_000);
  await app.close();
  expect(await registry.metrics()).toContain("holdfast_log_streams 0");
  answer.destroy();
});

test("what replicas pass on to each other is not counted as one client's, and has a limit of its own", async () => {
  const { get } = replica((offset) => ({ offset, next: offset, text: "", size: 0, ended: true }));
  const ask = async (headers?: Record<string, string>) => (await get("", headers)).statusCode;
  const forwarded = { "holdfast-forwarded": "true" };
  for (let n = 0; n < 100; n++) expect(await ask(forwarded)).toBe(200);
  expect(await ask(forwarded)).toBe(429);
  for (let n = 0; n < 50; n++) expect(await ask()).toBe(200);
  expect(await ask()).toBe(429);
});

test("a replica that stops while it waits for another one says so", async () => {
  const stop = new AbortController();
  const mute = createTcpServer().listen(0, "127.0.0.1");
  const connected = once(mute, "connection");
  await once(mute, "listening");
  const address = `127.0.0.1:${(mute.address() as AddressInfo).port}`;
  const { world, get } = replica(words, { elsewhere: () => ({ address }), stop: stop.signal });
  world.here = false;
  const answer = get();
  await connected;
  stop.abort(new Error("received SIGTERM"));
  expect((await answer).json()).toMatchObject({ code: "stopping", message: expect.stringContaining("ask again") });
  mute.close();
});

test("a stream from another replica is harmless to a browser, and cut off where that falls silent", async () => {
  const { ca, ...material } = await certificates("run logs test");
  const other = createServer(material, (_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" }).write("retry: 1000\n\n");
  }).listen(0, "127.0.0.1");
  await once(other, "listening");
  const address = `127.0.0.1:${(other.address() as AddressInfo).port}`;
  const peers = { ca, servername: "localhost" };
  const { app, clock, world, open } = replica(words, { elsewhere: () => ({ address }), peers });
  world.here = false;
  const answer = await open("?follow=true", events);
  expect(answer.headers).toMatchObject({ "content-type": "text/event-stream", "x-content-type-options": "nosniff" });
  await once(answer, "data");
  const cut = once(answer, "aborted");
  await clock.advance(90_000);
  await cut;
  await app.close();
  other.closeAllConnections();
  other.close();
});
