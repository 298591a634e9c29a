import { once } from "node:events";
import { connect, type TLSSocket } from "node:tls";
import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { ManualClock } from "#base/manual-clock.ts";
import { agentFrame } from "#protocol/frames.ts";
import { MAX_FRAME_BYTES, MAX_OUTBOUND_BYTES } from "#protocol/limits.ts";
import { arbitraryOf } from "../fuzz/arbitrary-of.ts";
import { anyFrameText, nearlyValid } from "../fuzz/hostile-text.ts";
import { TestHub } from "./wire-hub.ts";
import { configOf, run } from "./wire-memory-core.ts";

const MIB = 1024 * 1024;
/** What the tests open at once is not what they are about. */
const WIDE = { admission: { perSecond: 10_000, burst: 10_000 } };

/** Each host may connect a few times only. */
let hosts = 0;
const nextHost = () => `host-${++hosts}`;

/** A connection whose bytes after the upgrade are the test's own. */
async function upgraded(hub: TestHub, host = nextHost()): Promise<{ socket: TLSSocket; closed: Promise<number> }> {
  const [, port] = hub.address.split(":");
  const socket = connect({ host: "localhost", port: Number(port), ca: hub.authority.ca });
  socket.on("error", () => {});
  await once(socket, "secureConnect");
  socket.write(
    `GET /v1/agent HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
  );
  const [head] = (await once(socket, "data")) as [Buffer];
  expect(head.toString()).toMatch(/^HTTP\/1.1 101 /);
  const closed = new Promise<number>((resolve) => {
    let code = 1006;
    socket.on("data", (data: Buffer) => {
      const at = data.lastIndexOf(Buffer.from([0x88]));
      if (at >= 0 && at + 4 <= data.length) code = data.readUInt16BE(at + 2);
    });
    socket.once("close", () => resolve(code));
  });
  return { socket, closed };
}

/** One WebSocket frame of a client, masked with zeros. */
function frame(opcode: number, payload: Uint8Array, { fin = true, rsv = 0, masked = true } = {}): Buffer {
  const { length } = payload;
  const size =
    length < 126 ? [length] : length < 65536 ? [126, length >> 8, length & 255] : [127, 0, 0, 0, 0, ...bytesOf(length)];
  const head = Buffer.from([
    (fin ? 0x80 : 0) | (rsv << 4) | opcode,
    (size[0]! | (masked ? 0x80 : 0)) & 255,
    ...size.slice(1),
  ]);
  return Buffer.concat([head, masked ? Buffer.alloc(4) : Buffer.alloc(0), payload]);
}
const bytesOf = (length: number) => [length >>> 24, (length >> 16) & 255, (length >> 8) & 255, length & 255];

/** An agent that does nothing wrong is served, whatever others do. */
async function expectServed(hub: TestHub): Promise<void> {
  const honest = await hub.client(nextHost());
  await honest.hello();
  honest.send({ type: "record", stream: "s", seq: 1, record: run("run-1", "Succeeded") });
  await honest.frame("ack");
  honest.socket.terminate();
}

test("whatever text frames an agent sends, before or after its hello, it is answered or closed and nobody else notices", async () => {
  await using hub = await TestHub.start(WIDE);
  const text = fc.oneof(
    nearlyValid(arbitraryOf(agentFrame)),
    anyFrameText,
    arbitraryOf(agentFrame).map((of) => JSON.stringify(of)),
  );
  await fc.assert(
    fc.asyncProperty(fc.boolean(), fc.array(text, { minLength: 1, maxLength: 20 }), async (greet, texts) => {
      const client = await hub.client(nextHost());
      if (greet) await client.hello();
      for (const sent of texts) client.socket.send(sent);
      client.socket.close(1000);
      const { code } = await client.closed;
      expect([1000, 1008, 4403, 4409, 4426]).toContain(code);
      for (const answer of client.frames) expect(JSON.stringify(answer).length).toBeLessThan(4096);
    }),
    { numRuns: 60 },
  );
  await expectServed(hub);
});

test("whatever bytes come after the upgrade, the connection ends by the rules of WebSockets and nobody else notices", async () => {
  await using hub = await TestHub.start(WIDE);
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
    fc
      .tuple(
        fc.integer({ min: 0, max: 15 }),
        fc.uint8Array({ maxLength: 300 }),
        fc.boolean(),
        fc.integer({ min: 0, max: 7 }),
        fc.boolean(),
      )
      .map(([opcode, payload, fin, rsv, masked]) => frame(opcode, payload, { fin, rsv, masked })),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 8 }), async (pieces) => {
      const { socket, closed } = await upgraded(hub);
      for (const bytes of pieces) socket.write(bytes);
      socket.end(frame(8, Buffer.from([0x03, 0xe8])));
      await closed;
    }),
    { numRuns: 60 },
  );
  await expectServed(hub);
});

test.each([
  ["text that is not UTF-8", [frame(1, Buffer.from([0xc3, 0x28]))], 1007],
  ["a frame that says it is larger than any may be", [Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0])], 1009],
  [
    "a frame in more pieces than an agent makes",
    [
      frame(1, Buffer.from("{"), { fin: false }),
      ...Array.from({ length: 100 }, () => frame(0, Buffer.from(" "), { fin: false })),
    ],
    1008,
  ],
  ["a frame that is not masked", [frame(1, Buffer.from("{}"), { masked: false })], 1002],
  ["a ping with more than a ping may hold", [frame(9, Buffer.alloc(126))], 1002],
])("%s closes the connection", async (_, pieces, code) => {
  await using hub = await TestHub.start(WIDE);
  const { socket, closed } = await upgraded(hub);
  for (const bytes of pieces) socket.write(bytes);
  expect(await closed).toBe(code);
});

test("a frame that arrives byte by byte costs the operator no more than its bytes", async () => {
  await using hub = await TestHub.start({ ...WIDE, clock: new ManualClock() });
  const { socket, closed } = await upgraded(hub);
  socket.setNoDelay(true);
  socket.write(frame(1, Buffer.alloc(900_000, " ")).subarray(0, 20));
  let ended: number | undefined;
  void closed.then((code) => {
    ended = code;
  });
  // One TLS record each: what is written while another write is under way would be joined.
  for (let sent = 0; ended === undefined && sent < 20_000; sent++) {
    await new Promise((resolve) => socket.write(" ", resolve));
  }
  expect(await closed).toBe(1008);
});

test("thousands of unknown frames in a second close the connection with 1008", async () => {
  await using hub = await TestHub.start(WIDE);
  const client = await hub.client(nextHost());
  await client.hello();
  for (let sent = 0; sent < 5_000; sent++) client.socket.send('{"type":"telepathy"}');
  expect(await client.closed).toEqual({ code: 1008, reason: "more than 200 frames in a second" });
  expect(client.frames.length).toBeLessThanOrEqual(201);
});

test("thousands of pings in a second close the connection", async () => {
  await using hub = await TestHub.start(WIDE);
  const client = await hub.client(nextHost());
  await client.hello();
  for (let sent = 0; sent < 5_000; sent++) client.socket.ping();
  // 1006: ws gives up by itself where its answers pile up.
  expect([1006, 1008]).toContain((await client.closed).code);
});

test("an agent that never reads is closed with 1013, and what waits for it stays bounded", async () => {
  const clock = new ManualClock();
  await using hub = await TestHub.start({ ...WIDE, clock });
  const client = await hub.client(nextHost());
  await client.hello();
  client.socket.pause();
  const before = process.memoryUsage();
  const host = hub.gateway.connected()[0]!;
  const padding = "x".repeat(900_000);
  for (let version = 1; version <= 60; version++) {
    const config = configOf(version, []);
    hub.ports.wanted = { config: { ...config, repositories: [repository(padding)] }, commands: [] };
    hub.gateway.refresh(host);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const after = process.memoryUsage();
  expect(after.arrayBuffers + after.heapUsed - before.arrayBuffers - before.heapUsed).toBeLessThan(64 * MIB);
  for (let second = 0; second < 32; second++) await clock.advance(1000);
  client.socket.resume();
  expect(await client.closed).toMatchObject({ code: 1013 });
  const configs = client.frames.filter(({ type }) => type === "config").length;
  // What the kernel took, and MAX_OUTBOUND_BYTES of ours.
  expect(configs * padding.length).toBeLessThan(40 * MIB + 2 * MAX_OUTBOUND_BYTES);
});

test("results that cannot be written are held up to 4 MiB a session; then the socket is not read, and not called silent", async () => {
  const clock = new ManualClock();
  await using hub = await TestHub.start({ ...WIDE, clock });
  const writing = Promise.withResolvers<void>();
  hub.ports.write = async () => {
    await writing.promise;
    return { result: "written" };
  };
  const client = await hub.client(nextHost());
  await client.hello();
  const padding = { padding: "x".repeat(MAX_FRAME_BYTES - 4096) };
  for (let seq = 1; seq <= 32; seq++) {
    client.socket.send(
      JSON.stringify({ type: "record", stream: "s", seq, record: run(`run-${seq}`, "Succeeded"), ...padding }),
    );
  }
  await vi.waitFor(async () => expect(await held(hub)).toBeGreaterThan(4 * MIB), 10_000);
  // Past the silence and every ping: nothing it says is read, and that is not its fault.
  for (let second = 0; second < 120; second++) await clock.advance(1000);
  expect(await held(hub)).toBeLessThan(5 * MIB + 64 * 1024);
  expect(hub.gateway.connected()).toHaveLength(1);
  expect(client.socket.bufferedAmount).toBeGreaterThan(MIB);
  hub.ports.write = async () => ({ result: "written" });
  writing.resolve();
  await client.frame("ack", 32);
  expect(hub.ports.written.map(({ uid }) => uid)).toEqual(Array.from({ length: 32 }, (_, seq) => `run-${seq + 1}`));
  expect(await held(hub)).toBe(0);
}, 30_000);

test("when a replica's agents together hold too much, those that hold something wait and the others are heard", async () => {
  await using hub = await TestHub.start({ ...WIDE, intake: { session: 10 * MIB, replica: 2 * MIB } });
  const writing = Promise.withResolvers<void>();
  hub.ports.write = async ({ uid }) => {
    if (uid !== "of-the-quiet") await writing.promise;
    return { result: "written" };
  };
  const padding = { padding: "x".repeat(MAX_FRAME_BYTES - 4096) };
  const busy = [await hub.client(nextHost()), await hub.client(nextHost())];
  const quiet = await hub.client(nextHost());
  for (const client of [...busy, quiet]) await client.hello();
  for (const [index, client] of busy.entries()) {
    for (let seq = 1; seq <= 8; seq++) {
      client.socket.send(
        JSON.stringify({
          type: "record",
          stream: "s",
          seq,
          record: run(`run-${index}-${seq}`, "Succeeded"),
          ...padding,
        }),
      );
    }
  }
  await vi.waitFor(async () => expect(await held(hub)).toBeGreaterThan(2 * MIB), 10_000);
  quiet.send({ type: "record", stream: "s", seq: 1, record: run("of-the-quiet", "Succeeded") });
  await quiet.frame("ack");
  expect(await held(hub)).toBeLessThan(6 * MIB);
  writing.resolve();
  for (const client of busy) await client.frame("ack", 8);
});

test("a host that connects again and again is told to wait, and its neighbours are not", async () => {
  await using hub = await TestHub.start({ ...WIDE, clock: new ManualClock() });
  for (let times = 0; times < 30; times++) (await hub.client("restless")).socket.terminate();
  await expect(hub.client("restless")).rejects.toThrow("429");
  await expectServed(hub);
});

test("a host that reports without end has so many things written at once and then ten a second, and its neighbours are not kept waiting", async () => {
  const clock = new ManualClock();
  await using hub = await TestHub.start({ ...WIDE, clock, writes: { perSecond: 10, burst: 50 } });
  const client = await hub.client(nextHost());
  await client.hello();
  let seq = 0;
  const report = () => client.send({ type: "record", stream: "s", seq: ++seq, record: run(`run-${seq}`, "Succeeded") });
  for (let times = 0; times < 50; times++) {
    report();
    await client.frame("ack", seq);
  }
  report();
  await expectServed(hub);
  await vi.waitFor(async () => expect(await held(hub)).toBeGreaterThan(0), 10_000);
  expect(hub.ports.written).toHaveLength(50 + 1);
  await clock.advance(100);
  await client.frame("ack", seq);
});

test("an address whose connections are refused again and again is not authenticated any more, until it rests", async () => {
  const clock = new ManualClock();
  await using hub = await TestHub.start({ ...WIDE, clock });
  for (let times = 0; times < 50; times++) await expect(hub.client("nobody")).rejects.toThrow("401");
  const asked = hub.ports.requests.length;
  await expect(hub.client("nobody")).rejects.toThrow("429");
  await expect(hub.client("web-1")).rejects.toThrow("429");
  expect(hub.ports.requests).toHaveLength(asked);
  await clock.advance(1_100);
  await (await hub.client("web-1")).hello();
});

async function held(hub: TestHub): Promise<number> {
  const values = (await hub.metric("holdfast_held_record_bytes")) as { value: number }[];
  return values[0]?.value ?? 0;
}

function repository(ca: string) {
  return { uid: "r", name: "r", url: "rest:https://h/", password: { value: "p" }, env: {}, ca };
}
