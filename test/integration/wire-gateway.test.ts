import { request } from "node:https";
import { expect, test, vi } from "vitest";
import { ManualClock } from "#base/manual-clock.ts";
import { MAX_FRAME_BYTES } from "#protocol/limits.ts";
import { TestHub } from "./wire-hub.ts";
import { configOf, run } from "./wire-memory-core.ts";

/** An upgrade request by hand: what a refused agent sees. */
function upgrade(
  hub: TestHub,
  path: string,
  authorization: string,
): Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; body: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = request(`https://${hub.address}${path}`, {
      ca: hub.authority.ca,
      headers: {
        authorization,
        connection: "Upgrade",
        upgrade: "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": Buffer.alloc(16).toString("base64"),
      },
    });
    outgoing.once("error", reject);
    outgoing.once("upgrade", () => reject(new Error("it was accepted")));
    outgoing.once("response", (answer) => {
      let body = "";
      answer.on("data", (chunk) => {
        body += chunk;
      });
      answer.once("end", () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body }));
    });
    outgoing.end();
  });
}

test("an accepted agent gets hello_ack, its configuration and then its commands, all with the session's epoch", async () => {
  await using hub = await TestHub.start();
  const command = { type: "run", id: "run-1", name: "run-1", policyUID: "a", ttlMs: 1000, overrides: {} } as const;
  hub.ports.wanted = { config: configOf(1, ["a"]), commands: [command] };
  const client = await hub.client("web-1");
  const ack = await client.hello();
  await client.frame("run");
  expect(client.frames.map((frame) => frame.type)).toEqual(["hello_ack", "config", "run"]);
  expect(ack).toMatchObject({
    epoch: 1,
    nonce: "nonce-1",
    host: { namespace: "backups", name: "web-1", uid: "web-1-uid" },
  });
  expect(client.frames.slice(1)).toMatchObject([{ epoch: 1 }, { epoch: 1 }]);
  expect(hub.gateway.connected()).toEqual(["backups/web-1"]);
  expect(await hub.metric("holdfast_sessions")).toMatchObject([{ value: 1 }]);
});

test("a record is acknowledged when it is written and not before", async () => {
  await using hub = await TestHub.start();
  const done = Promise.withResolvers<{ result: "written" }>();
  hub.ports.write = () => done.promise;
  const client = await hub.client("web-1");
  await client.hello();
  client.send({ type: "record", stream: "s", seq: 7, record: run("run-1", "Succeeded") });
  client.send({ type: "record", stream: "s", seq: 9, record: run("run-2", "Succeeded") });
  client.send({
    type: "progress",
    kind: "run",
    uid: "run-3",
    name: "run-3",
    attempt: 1,
    phase: "Running",
    reason: "Running",
    message: "",
  });
  await vi.waitFor(() => expect(hub.ports.progressed).toHaveLength(1));
  expect(client.frames.map((frame) => frame.type)).toEqual(["hello_ack"]);
  done.resolve({ result: "written" });
  await client.frame("ack", 2);
  expect(client.frames.slice(1)).toEqual([
    { type: "ack", epoch: 1, stream: "s", seq: 7 },
    { type: "ack", epoch: 1, stream: "s", seq: 9 },
  ]);
});

test("a frame of host A about host B's run is answered forbidden and set aside, and the next one still goes through", async () => {
  await using hub = await TestHub.start();
  hub.ports.write = async ({ uid }) =>
    uid === "run-of-b" ? { result: "forbidden", message: "run-of-b is not a run of web-1" } : { result: "written" };
  const client = await hub.client("web-1");
  await client.hello();
  client.send({ type: "record", stream: "s", seq: 1, record: run("run-of-b", "Succeeded") });
  client.send({ type: "record", stream: "s", seq: 2, record: run("run-of-a", "Succeeded") });
  await client.frame("ack");
  expect(client.frames.slice(1)).toMatchObject([
    { type: "error", code: "forbidden" },
    { type: "rejected", seq: 1, code: "forbidden" },
    { type: "ack", seq: 2 },
  ]);
  await vi.waitFor(() =>
    expect(hub.ports.reports.at(-1)?.facts.rejected).toMatchObject({ count: 1, code: "forbidden" }),
  );
});

test("a frame of 2 MiB closes its own socket with 1009 and no other", async () => {
  await using hub = await TestHub.start();
  const other = await hub.client("web-2");
  await other.hello();
  const client = await hub.client("web-1");
  await client.hello();
  client.socket.send(JSON.stringify({ type: "heartbeat", padding: "x".repeat(2 * MAX_FRAME_BYTES) }));
  expect(await client.closed).toMatchObject({ code: 1009 });
  other.send({ type: "record", stream: "s", seq: 1, record: run("run-1", "Succeeded") });
  await other.frame("ack");
});

test("broken JSON is answered, and the third time closes the socket with 1008", async () => {
  await using hub = await TestHub.start();
  const client = await hub.client("web-1");
  await client.hello();
  client.socket.send("{");
  client.socket.send(Buffer.from([0, 1, 2]));
  client.socket.send(`{"type":"record","seq":"seven"}`);
  expect(await client.closed).toEqual({ code: 1008, reason: "3 malformed frames" });
  expect(client.frames.slice(1)).toMatchObject([{ code: "malformed" }, { code: "malformed" }, { code: "malformed" }]);
  expect(await hub.metric("holdfast_agent_frames_total")).toContainEqual(
    expect.objectContaining({ labels: { type: "malformed" }, value: 3 }),
  );
});

test("an unknown frame type is answered unsupported and changes nothing", async () => {
  await using hub = await TestHub.start();
  const client = await hub.client("web-1");
  await client.hello();
  client.socket.send(`{"type":"telepathy"}`);
  expect(await client.frame("error")).toMatchObject({
    code: "unsupported",
    message: expect.stringContaining("telepathy"),
  });
  client.send({ type: "record", stream: "s", seq: 1, record: run("run-1", "Succeeded") });
  await client.frame("ack");
});

test("a peer that answers nothing for 90 s is gone, one that only exchanges pings stays", async () => {
  const clock = new ManualClock();
  await using hub = await TestHub.start({ clock });
  const quiet = await hub.client("web-1", { autoPong: false });
  await quiet.hello();
  const ponging = await hub.client("web-2");
  await ponging.hello();
  const gone = vi.fn();
  void quiet.closed.then(gone);
  for (let step = 0; step < 89; step++) {
    await clock.advance(1000);
    if (step % 30 !== 0) continue;
    ponging.socket.ping();
    await new Promise((resolve) => ponging.socket.once("pong", resolve));
  }
  expect(gone).not.toHaveBeenCalled();
  await clock.advance(2000);
  expect(await quiet.closed).toEqual({ code: 1001, reason: "silent for 90 s" });
  expect(hub.gateway.connected()).toEqual(["backups/web-2"]);
  await clock.advance(89_000);
  expect(hub.ports.reports).toEqual([]);
  await clock.advance(2000);
  expect(hub.ports.reports).toMatchObject([{ host: "web-1", facts: { disconnected: { reason: "silent for 90 s" } } }]);
});

test("a socket without a hello is closed after 10 s", async () => {
  const clock = new ManualClock();
  await using hub = await TestHub.start({ clock });
  const client = await hub.client("web-1");
  await clock.advance(11_000);
  expect(await client.closed).toEqual({ code: 1008, reason: "no hello within 10 s" });
});

test("a newer session of a host closes the older with 4409", async () => {
  await using hub = await TestHub.start();
  const older = await hub.client("web-1");
  await older.hello();
  const newer = await hub.client("web-1");
  expect(await newer.hello()).toMatchObject({ epoch: 2 });
  expect(await older.closed).toMatchObject({ code: 4409 });
  expect(hub.gateway.session("backups/web-1")).toMatchObject({ epoch: 2 });
});

test("a higher epoch seen on the Host closes with 4409; revoked, deleted or another UID with 4403", async () => {
  await using hub = await TestHub.start();
  const cases = [
    ["web-1", { uid: "web-1-uid", epoch: 99, revoked: false }, 4409],
    ["web-2", { uid: "web-2-uid", epoch: 0, revoked: true }, 4403],
    ["web-3", undefined, 4403],
    ["web-4", { uid: "made anew", epoch: 0, revoked: false }, 4403],
  ] as const;
  for (const [name, seen, code] of cases) {
    const client = await hub.client(name);
    await client.hello();
    hub.gateway.observe(`backups/${name}`, seen);
    expect(await client.closed).toMatchObject({ code });
  }
});

test("an unknown credential is answered 401 in the one error shape, before any WebSocket", async () => {
  await using hub = await TestHub.start();
  const answer = await upgrade(hub, "/v1/agent", "Bearer nobody");
  expect(answer.status).toBe(401);
  expect(JSON.parse(answer.body)).toEqual({
    error: { code: "unauthorized", message: "this credential is not known: enrol the machine again" },
  });
});

test("past the admission an upgrade is answered 503 with a Retry-After of 5 to 60 s and is not authenticated", async () => {
  await using hub = await TestHub.start({ admission: { perSecond: 0.001, burst: 2 } });
  await hub.client("web-1");
  await hub.client("web-2");
  const answer = await upgrade(hub, "/v1/agent", "Bearer web-3");
  expect(answer.status).toBe(503);
  expect(Number(answer.headers["retry-after"])).toBeGreaterThanOrEqual(5);
  expect(Number(answer.headers["retry-after"])).toBeLessThanOrEqual(60);
  expect(hub.ports.requests).toHaveLength(2);
  expect(await hub.metric("holdfast_agent_upgrades_refused_total")).toMatchObject([
    { labels: { code: "busy" }, value: 1 },
  ]);
});

test("an upgrade to another path is answered 404", async () => {
  await using hub = await TestHub.start();
  expect((await upgrade(hub, "/v1/other", "Bearer web-1")).status).toBe(404);
});

test("a drain says goaway with a delay of up to 30 s, acknowledges what is being written, and takes nobody new", async () => {
  await using hub = await TestHub.start();
  const written = Promise.withResolvers<{ result: "written" }>();
  hub.ports.write = () => written.promise;
  const client = await hub.client("web-1");
  await client.hello();
  client.send({ type: "record", stream: "s", seq: 1, record: run("run-1", "Succeeded") });
  const drained = hub.gateway.drain();
  const { retryAfterMs } = await client.frame("goaway");
  expect(retryAfterMs).toBeGreaterThanOrEqual(0);
  expect(retryAfterMs).toBeLessThan(30_000);
  expect((await upgrade(hub, "/v1/agent", "Bearer web-2")).status).toBe(503);
  written.resolve({ result: "written" });
  await client.frame("ack");
  client.socket.close();
  await drained;
  expect(hub.gateway.connected()).toEqual([]);
});

test("the session of a Host that was made again stands, whatever epoch the Host before it had come to", async () => {
  await using hub = await TestHub.start();
  hub.ports.epochs.set("web-1", 40);
  const before = await hub.client("web-1");
  await before.hello();
  // It never hears that it is closed, as a machine without a network.
  before.socket.pause();
  hub.gateway.observe("backups/web-1", undefined);
  hub.ports.epochs.delete("web-1");
  hub.ports.authenticator.authenticate = async () => ({
    host: { namespace: "backups", name: "web-1", uid: "another-uid" },
    stillHolds: async () => true,
  });
  const after = await hub.client("web-1");
  expect(await after.hello()).toMatchObject({ epoch: 1 });
  expect(hub.gateway.session("backups/web-1")).toMatchObject({ epoch: 1, host: { uid: "another-uid" } });
});
