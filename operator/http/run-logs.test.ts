import Fastify from "fastify";
import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { ManualClock } from "#base/manual-clock.ts";
import type { LogChunk } from "#protocol/frames.ts";
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
  return { clock, world, get };
}

const events = { accept: "text/event-stream" };
const words = (offset: number): LogChunk => ({ offset, text: "words\n", size: offset + 6, ended: offset >= 12 });

test("all logs together are read at 200 pieces a second, after 256 at once", async () => {
  let pieces = 0;
  const { clock, get } = replica((offset) => ({ offset, text: "x\n", size: 1_000_000, ended: ++pieces >= 500 }));
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
    return { offset, text: "words\n", size: offset + 6, ended: false };
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
