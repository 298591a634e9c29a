import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Registry } from "prom-client";
import { afterEach, expect, test } from "vitest";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { HttpClient } from "./client.ts";
import type { Connection } from "./connection.ts";
import type { Log } from "./log.ts";
import { kubeMetrics } from "./metrics.ts";
import { ConfigMaps, Leases, Secrets } from "./resource.ts";

// How the client takes what a real API server says only when it is overloaded, broken or not an API server at all.
// All that it says when it is well is tested on a real one: test/integration/kube-client.test.ts.

type Answer = (request: IncomingMessage & { text: string }, response: ServerResponse) => void;
const quiet: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };
const ends: (() => Promise<unknown>)[] = [];
afterEach(() => Promise.all(ends.splice(0).map((end) => end())));

/** A server that answers the n-th request with the n-th answer, and the last one for ever. */
async function serve(...answers: [Answer, ...Answer[]]) {
  const seen: string[] = [];
  const times: number[] = [];
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request.setEncoding("utf8")) text += chunk;
    seen.push(`${request.method} ${request.url}`);
    times.push(performance.now());
    const answer = answers[Math.min(seen.length, answers.length) - 1] as Answer;
    answer(Object.assign(request, { text }), response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  let asked = 0;
  const connection: Connection = {
    server: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    namespace: undefined,
    credentials: async (fresh) => {
      if (fresh) asked++;
      return { tls: {}, headers: { authorization: `Bearer token-${asked}` } };
    },
  };
  const registry = new Registry();
  const client = new HttpClient({
    connection,
    userAgent: "holdfast/1.2.3",
    clock: systemClock,
    random: systemRandom,
    log: quiet,
    metrics: kubeMetrics(registry),
  });
  ends.push(async () => {
    await client.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { client, seen, times, registry };
}

const object = {
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { namespace: "n", name: "a", uid: "u", resourceVersion: "1" },
};
const ok: Answer = (_, response) => void response.end(JSON.stringify(object));
const refuse =
  (status: number, body: unknown = {}, headers: Record<string, string> = {}): Answer =>
  (_, response) =>
    void response.writeHead(status, headers).end(typeof body === "string" ? body : JSON.stringify(body));
const cut: Answer = (request) => request.socket.resetAndDestroy();
const ref = { namespace: "n", name: "a" };
const draft = { metadata: ref };

test("429 with Retry-After is waited out, for a create too", async () => {
  const { client, seen, times } = await serve(refuse(429, {}, { "retry-after": "1" }), ok);
  expect(await client.create(ConfigMaps, draft)).toEqual(object);
  expect(seen).toHaveLength(2);
  expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(990);
});

test("a reset connection is tried again for a get and an apply, not for a create", async () => {
  const reading = await serve(cut, cut, ok);
  expect(await reading.client.get(ConfigMaps, ref)).toEqual(object);
  const applying = await serve(cut, ok);
  expect(await applying.client.apply(ConfigMaps, draft, { manager: "m" })).toEqual(object);
  const creating = await serve(cut, ok);
  await expect(creating.client.create(ConfigMaps, draft)).rejects.toMatchObject({
    code: "kube/unreachable",
    status: 0,
  });
  expect([reading.seen.length, applying.seen.length, creating.seen.length]).toEqual([3, 2, 1]);
});

test("a connection reset in the middle of an answer is tried again", async () => {
  const half: Answer = (request, response) => {
    response.writeHead(200, { "content-length": "1000" }).write("{");
    setImmediate(() => request.socket.resetAndDestroy());
  };
  const { client } = await serve(half, ok);
  expect(await client.get(ConfigMaps, ref)).toEqual(object);
});

test("a caller that wants no retries gets the first failure", async () => {
  const { client, seen } = await serve(refuse(503), ok);
  await expect(client.get(ConfigMaps, ref, { retry: false })).rejects.toMatchObject({ code: "kube/unavailable" });
  expect(seen).toHaveLength(1);
});

test("an aborted caller gets its own reason, before, during and between the attempts", async () => {
  const reason = new Error("enough");
  const { client, seen } = await serve(() => {});
  await expect(client.get(ConfigMaps, ref, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  expect(seen).toEqual([]);
  const during = new AbortController();
  const asking = client.get(ConfigMaps, ref, { signal: during.signal });
  await expect.poll(() => seen.length).toBe(1);
  during.abort(reason);
  await expect(asking).rejects.toBe(reason);

  const busy = await serve(refuse(429, {}, { "retry-after": "30" }));
  const between = new AbortController();
  const waiting = busy.client.get(ConfigMaps, ref, { signal: between.signal });
  await expect.poll(() => busy.seen.length).toBe(1);
  between.abort(reason);
  await expect(waiting).rejects.toBe(reason);
});

test("a server that says nothing is given up after the timeout, with a sentence that says so", async () => {
  const { client } = await serve(() => {});
  const error = await client.get(ConfigMaps, ref, { timeoutMs: 50, retry: false }).catch((caught) => caught);
  expect(error.code).toBe("kube/timeout");
  expect(error.message).toMatch(/^get configmaps n\/a: no answer from 127\.0\.0\.1:\d+ in 50 ms$/);
});

test("a 401 is answered once with fresh credentials, since the token may have been rotated", async () => {
  const tokens: (string | undefined)[] = [];
  const rotated: Answer = (request, response) => {
    tokens.push(request.headers.authorization);
    if (request.headers.authorization === "Bearer token-1") ok(request, response);
    else refuse(401)(request, response);
  };
  const { client } = await serve(rotated);
  expect(await client.get(ConfigMaps, ref)).toEqual(object);
  const refusing = await serve(refuse(401));
  await expect(refusing.client.get(ConfigMaps, ref)).rejects.toMatchObject({ code: "kube/unauthorized" });
  expect([tokens, refusing.seen.length]).toEqual([["Bearer token-0", "Bearer token-1"], 2]);
});

test.each([
  ["a page of a proxy", "<html>not here</html>", "kube/bad-response", /the answer is not JSON/],
  ["something that is no object", "[1]", "kube/bad-response", /not an object with metadata/],
  ["more than 64 MiB", "x".repeat(64 * 2 ** 20 + 1), "kube/bad-response", /larger than 67108864 bytes/],
])("%s in place of an object is a bad response", async (_, body, code, message) => {
  const { client } = await serve((_request, response) => void response.end(body));
  await expect(client.get(ConfigMaps, ref)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
});

test("a refusal carries the server's reason and words, with what was asked", async () => {
  const status = { reason: "AlreadyExists", message: 'configmaps "a" already exists', code: 409 };
  const { client } = await serve(refuse(409, status));
  await expect(client.create(ConfigMaps, draft)).rejects.toMatchObject({
    code: "kube/already-exists",
    reason: "AlreadyExists",
    status: 409,
    message: 'create configmaps n/a: 409 AlreadyExists: configmaps "a" already exists',
  });
});

test("the words of the server about an invalid Secret are left out: they quote values", async () => {
  const status = { reason: "Invalid", message: 'data.password: Invalid value: "hunter2"' };
  const { client } = await serve(refuse(422, status));
  const error = await client.create(Secrets, draft).catch((caught) => caught);
  expect(error.code).toBe("kube/invalid");
  expect(JSON.stringify([error.message, error.stack, String(error.cause)])).not.toContain("hunter2");
});

test("what is sent names us, and no name can leave its place in the path", async () => {
  const agents: (string | undefined)[] = [];
  const { client, seen } = await serve((request, response) => {
    agents.push(request.headers["user-agent"]);
    ok(request, response);
  });
  await client.get(Secrets, { namespace: "n", name: "../../x?y#z" });
  expect([seen, agents]).toEqual([["GET /api/v1/namespaces/n/secrets/..%2F..%2Fx%3Fy%23z"], ["holdfast/1.2.3"]]);
  await expect(client.get(Secrets, { name: "a" })).rejects.toThrow("Secret needs a namespace and a name");
});

test("requests are counted under client-go's names", async () => {
  const { client, registry } = await serve(refuse(500), ok);
  await client.get(ConfigMaps, ref);
  const text = await registry.metrics();
  expect(text).toMatch(/rest_client_requests_total\{code="500",method="GET",host="127\.0\.0\.1:\d+"\} 1/);
  expect(text).toMatch(/rest_client_requests_total\{code="200",method="GET",host="127\.0\.0\.1:\d+"\} 1/);
  expect(text).toMatch(/rest_client_request_duration_seconds_count\{verb="get",host="127\.0\.0\.1:\d+"\} 2/);
});

test("a burst of a thousand requests has 64 under way at most, and opens few connections", async () => {
  const sockets = new Set<unknown>();
  const held: (() => void)[] = [];
  let [now, most] = [0, 0];
  const { client, seen } = await serve((request, response) => {
    sockets.add(request.socket);
    most = Math.max(most, ++now);
    const answer = () => {
      now--;
      ok(request, response);
    };
    // The first are answered when 64 are there, so that a slow machine has as many under way as a fast one.
    if (most < 64) held.push(answer);
    else for (const waiting of [...held.splice(0), answer]) setTimeout(waiting, 5);
  });
  await Promise.all(Array.from({ length: 1000 }, () => client.get(ConfigMaps, ref)));
  expect([seen.length, most]).toEqual([1000, 64]);
  expect(sockets.size).toBeLessThanOrEqual(64);
});

test("a Lease is renewed while a hundred other requests wait for a server that hangs", async () => {
  const { client, seen } = await serve((request, response) => {
    if (request.url?.includes("/leases/")) ok(request, response);
  });
  const over = new AbortController();
  const reason = new Error("over");
  const hanging = Array.from({ length: 100 }, () => client.get(ConfigMaps, ref, { signal: over.signal }));
  await expect.poll(() => seen.length).toBe(64);
  await client.get(Leases, ref, { timeoutMs: 1000, retry: false });
  over.abort(reason);
  const results = await Promise.allSettled(hanging);
  expect(results.every((result) => result.status === "rejected" && result.reason === reason)).toBe(true);
});
