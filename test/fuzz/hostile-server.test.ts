import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { agentFrame, serverFrame } from "#protocol/frames.ts";
import { Link } from "../../agent/link/link.ts";
import { type Authority, certificates } from "../integration/wire-certificates.ts";
import { MemoryCore, run } from "../integration/wire-memory-core.ts";
import { arbitraryOf } from "./arbitrary-of.ts";
import { anyFrameText, nearlyValid } from "./hostile-text.ts";

/** An operator that does to its agents what a test says. */
let authority: Authority;
let server: Server;
let sockets: WebSocketServer;
let connected: (socket: WebSocket) => void = () => {};
const links: Link[] = [];

beforeAll(async () => {
  authority = await certificates("hostile server");
  server = createServer({ cert: authority.cert, key: authority.key });
  sockets = new WebSocketServer({ server, perMessageDeflate: false });
  sockets.on("connection", (socket) => connected(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterEach(() => {
  for (const link of links.splice(0)) link.stop();
  for (const socket of sockets.clients) socket.terminate();
});
afterAll(() => {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(resolve));
});

function agent(): { core: MemoryCore; link: Link } {
  const endpoint = `wss://localhost:${(server.address() as AddressInfo).port}/v1/agent`;
  const core = new MemoryCore({ endpoint, ca: [authority.ca] });
  const settings = { firstDelayMs: 1, maxDelayMs: 5, refusedDelayMs: 5 };
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const link = new Link({ core, settings, clock: systemClock, random: systemRandom, log });
  links.push(link);
  return { core, link };
}

/** Greets as the operator does. `epoch` above what any hostile frame may have claimed. */
function greet(socket: WebSocket, epoch: number): void {
  socket.send(
    JSON.stringify({
      type: "hello_ack",
      epoch,
      serverTime: new Date().toISOString(),
      heartbeatIntervalMs: 30_000,
      nonce: "n",
      clusterID: "cluster",
      host: { uid: "host-uid", namespace: "backups", name: "web-1" },
    }),
  );
}

test("whatever a server sends, the agent answers in frames of the protocol, loses no result, and works with the next server", async () => {
  const text = fc.oneof(
    nearlyValid(arbitraryOf(serverFrame)),
    anyFrameText,
    arbitraryOf(serverFrame).map((of) => JSON.stringify(of)),
  );
  await fc.assert(
    fc.asyncProperty(fc.boolean(), fc.array(text, { minLength: 1, maxLength: 15 }), async (greeted, texts) => {
      const { core, link } = agent();
      core.add(run("kept", "Succeeded"));
      const said: string[] = [];
      const left = Promise.withResolvers<void>();
      connected = (socket) => {
        socket.on("error", () => {});
        socket.on("message", (data) => {
          if (said.push(String(data)) > 1) return;
          if (greeted) greet(socket, 1);
          for (const sent of texts) socket.send(sent);
          // Behind all of them: what came of them has been answered when this is.
          socket.ping();
        });
        socket.on("pong", () => socket.terminate());
        socket.on("close", () => left.resolve());
      };
      link.start();
      await left.promise;
      let arrived = false;
      connected = (socket) => {
        socket.on("error", () => {});
        socket.on("message", (data) => {
          const frame = agentFrame.parse(JSON.parse(String(data)));
          if (frame.type === "hello") greet(socket, Math.min(frame.highestEpoch + 1, Number.MAX_SAFE_INTEGER));
          if (frame.type === "record" && frame.record.uid === "kept") arrived = true;
        });
      };
      for (const frame of said) agentFrame.parse(JSON.parse(frame));
      // These are the server's to say: a record it acknowledged is forgotten, one it sent away stays away for up to an
      // hour, and an epoch at the end of all numbers leaves none for another server.
      const named = texts.some((sent) => sent.includes("stream-0"));
      const sentAway = () => link.status().reason.includes("asked to connect again");
      const exhausted = () => core.me.highestEpoch >= Number.MAX_SAFE_INTEGER;
      await vi.waitFor(() => expect(arrived || named || sentAway() || exhausted()).toBe(true), { timeout: 30_000 });
      link.stop();
    }),
    { numRuns: 20 },
  );
});

test("a server that floods an agent and never reads its answers is left, and what waits for it stays bounded", async () => {
  const { link } = agent();
  const before = process.memoryUsage();
  let peak = 0;
  let connections = 0;
  connected = (socket) => {
    connections++;
    socket.on("error", () => {});
    if (connections > 1) return;
    socket.once("message", () => {
      greet(socket, 1);
      socket.pause();
      const unknown = JSON.stringify({ type: "x".repeat(64), padding: "y".repeat(64) });
      const flood = () => {
        for (let sent = 0; sent < 2_000 && socket.bufferedAmount < 1e6; sent++) socket.send(unknown);
        const now = process.memoryUsage();
        peak = Math.max(peak, now.heapUsed + now.arrayBuffers - before.heapUsed - before.arrayBuffers);
        if (connections === 1 && socket.readyState === socket.OPEN) setImmediate(flood);
      };
      flood();
    });
  };
  link.start();
  await vi.waitFor(() => expect(connections).toBeGreaterThan(1), { timeout: 60_000, interval: 20 });
  expect(peak).toBeLessThan(150 * 1024 * 1024);
}, 90_000);

test("a record that breaks the protocol is set aside by the agent itself and holds up nothing", async () => {
  const { core, link } = agent();
  const broken = { ...run("broken", "Succeeded"), exitCode: 0.5 };
  core.add(broken);
  core.add(run("sound", "Succeeded"));
  const arrived = Promise.withResolvers<string>();
  connected = (socket) => {
    socket.on("message", (data) => {
      const frame = agentFrame.parse(JSON.parse(String(data)));
      if (frame.type === "hello") greet(socket, 1);
      if (frame.type === "record") arrived.resolve(frame.record.uid);
    });
  };
  link.start();
  expect(await arrived.promise).toBe("sound");
  expect(core.rejected).toMatchObject([{ record: { uid: "broken" } }]);
});
