import { once } from "node:events";
import { type AddressInfo, connect as connectPlain, type Socket } from "node:net";
import { PassThrough } from "node:stream";
import { connect, type TLSSocket } from "node:tls";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ManualClock } from "#base/manual-clock.ts";
import { systemRandom } from "#base/random.ts";
import { enrollRequest, httpError } from "#protocol/enroll.ts";
import { enrollRoute } from "../../operator/http/enroll.ts";
import { healthRoutes } from "../../operator/http/health.ts";
import { createHttp } from "../../operator/http/server.ts";
import { Refusal } from "../../operator/hub/refusal.ts";
import { arbitraryOf } from "../fuzz/arbitrary-of.ts";
import { anyFrameText, CANARY, nearlyValid } from "../fuzz/hostile-text.ts";
import { type Authority, certificates } from "./wire-certificates.ts";
import { silent } from "./wire-hub.ts";

/** Moves on with each request, so that the limits of an address are not what is met here. */
const clock = new ManualClock();
let authority: Authority;
let app: ReturnType<typeof createHttp>;
let asked = 0;

beforeAll(async () => {
  authority = await certificates("http test");
  app = createHttp({ serving: { cert: authority.cert, key: authority.key }, random: systemRandom, log: silent });
  const enroll = async () => {
    asked++;
    throw new Refusal(401, "token_unknown", "this token is not known here");
  };
  enrollRoute(app, { enroll, clock });
  healthRoutes(app, () => true);
  app.get("/long", (_request, reply) => {
    const body = new PassThrough();
    body.write("the first half");
    return reply.type("text/plain").send(body);
  });
  await app.listen({ host: "127.0.0.1", port: 0 });
});
afterAll(() => app.close());

const port = () => (app.server.address() as AddressInfo).port;

async function open(): Promise<TLSSocket> {
  const socket = connect({ host: "localhost", port: port(), ca: authority.ca });
  socket.on("error", () => {});
  await once(socket, "secureConnect");
  return socket;
}

/** Not events.once, which takes a reset connection for a failure. */
const closed = (socket: Socket) => new Promise<void>((resolve) => socket.once("close", () => resolve()));

/** Sends bytes as they are and resolves with all that comes until the server closes; `Connection: close` is the caller's. */
async function talk(...pieces: (string | Uint8Array)[]): Promise<string> {
  await clock.advance(1_000);
  const socket = await open();
  let answer = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => {
    answer += chunk;
  });
  for (const piece of pieces) socket.write(piece);
  await closed(socket);
  return answer;
}

/** The statuses of all answers in `text`; each error among them is of the one shape and says nothing it must not. */
function judge(text: string): number[] {
  expect(text).not.toContain(CANARY);
  expect(text).not.toMatch(/\n\s+at |node_modules|\.ts:\d/);
  return text.split(/(?=HTTP\/1\.1 \d{3} )/).flatMap((answer) => {
    const [, status] = /^HTTP\/1\.1 (\d{3}) /.exec(answer) ?? [];
    if (status === undefined) return [];
    const body = answer.slice(answer.indexOf("\r\n\r\n") + 4);
    if (Number(status) >= 400 && body !== "") expect(httpError.safeParse(JSON.parse(body)).error).toBeUndefined();
    return Number(status);
  });
}

const post = (body: string | Uint8Array, headers: string[] = ["content-type: application/json"]) => {
  const bytes = Buffer.from(body);
  const head = [
    "POST /v1/enroll HTTP/1.1",
    "host: x",
    "connection: close",
    `content-length: ${bytes.length}`,
    ...headers,
  ];
  return [`${head.join("\r\n")}\r\n\r\n`, bytes];
};

test("whatever body an enrolment has, it is answered in the one shape and only a whole one is looked at", async () => {
  const body = fc.oneof(nearlyValid(arbitraryOf(enrollRequest)), anyFrameText, fc.uint8Array({ maxLength: 300 }));
  await fc.assert(
    fc.asyncProperty(body, async (sent) => {
      const before = asked;
      const [status] = judge(await talk(...post(sent)));
      const whole = status === 401;
      expect([400, 401, 413]).toContain(status);
      expect(asked - before).toBe(whole ? 1 : 0);
    }),
    { numRuns: 40 },
  );
});

test("what is no request, sent while an answer is under way, ends the connection and puts nothing into that answer", async () => {
  const socket = await open();
  let answer = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => {
    answer += chunk;
    if (answer.includes("the first half")) socket.write("no request\r\n\r\n");
  });
  socket.write("GET /long HTTP/1.1\r\nhost: x\r\n\r\n");
  await closed(socket);
  expect(answer).toMatch(/the first half\r\n$/);
  expect(judge(answer)).toEqual([200]);
});

test.each<[string, (string | Uint8Array)[], number]>([
  ["another content type", post("{}", ["content-type: text/xml"]), 415],
  ["no content type", post("{}", []), 415],
  ["a form", post("token=x", ["content-type: application/x-www-form-urlencoded"]), 415],
  [
    "a body that would unpack to 64 MiB",
    post(gzipSync(Buffer.alloc(2 ** 26)).subarray(0, 16_000), [
      "content-type: application/json",
      "content-encoding: gzip",
    ]),
    400,
  ],
  ["a body over 16 KiB", post(`"${"x".repeat(17_000)}"`), 413],
  [
    "a body said to be huge",
    ["POST /v1/enroll HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99999999999\r\n\r\n"],
    413,
  ],
  ["two lengths", ["POST /v1/enroll HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}"], 400],
  [
    "a length and chunks",
    ["POST /v1/enroll HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"],
    400,
  ],
  ["headers over 16 KiB", [`GET / HTTP/1.1\r\nhost: x\r\nx: ${"y".repeat(20_000)}\r\n\r\n`], 431],
  ["a header that is none", ["GET / HTTP/1.1\r\nhost: x\r\nno colon\r\n\r\n"], 400],
  ["no HTTP at all", ["hello, operator\r\n\r\n"], 400],
  ["a method nobody knows", ["BREW / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"], 400],
  ["a method the path does not have", ["DELETE /v1/enroll HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"], 404],
  ["a path that is not one", ["GET /%zz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"], 400],
  ["a way up", ["GET /../../etc/passwd HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"], 404],
  ["an encoded way up", ["GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"], 404],
  [
    "another site's address",
    ["GET http://elsewhere.example/healthz/x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"],
    404,
  ],
  ["a prototype in its body", post('{"__proto__":{"admin":true}}'), 400],
])("%s is answered in the one shape", async (_, pieces, want) => {
  const [status] = judge(await talk(...pieces));
  expect(status).toBe(want);
});

test("a tunnel is not dug", async () => {
  expect(await talk("CONNECT elsewhere.example:443 HTTP/1.1\r\nhost: x\r\n\r\n")).toBe("");
});

test("requests sent one behind the other are answered each, in order", async () => {
  const get = (path: string, last = false) =>
    `GET ${path} HTTP/1.1\r\nhost: x\r\n${last ? "connection: close\r\n" : ""}\r\n`;
  expect(judge(await talk(get("/healthz") + get("/nothing") + get("/readyz", true)))).toEqual([200, 404, 200]);
});

test("a body in chunks without an end is cut off at 16 KiB", async () => {
  const socket = await open();
  let answer = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => {
    answer += chunk;
  });
  await clock.advance(1_000);
  socket.write(
    "POST /v1/enroll HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
  );
  const cut = closed(socket);
  let sent = 0;
  for (; socket.writable && sent < 2 ** 24; sent += 1024) {
    await new Promise((resolve) => socket.write(`400\r\n${" ".repeat(1024)}\r\n`, resolve));
  }
  await cut;
  expect(judge(answer)).toEqual([413]);
  expect(sent).toBeLessThan(2 ** 24);
});

test("who opens a connection and says nothing, or says it too slowly, is cut off, and others are served meanwhile", async () => {
  const plain = connectPlain(port(), "localhost");
  plain.on("error", () => {});
  const mute = await open();
  const slow = await open();
  slow.write("GET / HTTP/1.1\r\nhost: x\r\nx: ");
  const drip = setInterval(() => slow.write("y"), 200);
  let answer = "";
  slow.setEncoding("utf8").on("data", (chunk: string) => {
    answer += chunk;
  });
  const ended = Promise.all([plain, mute, slow].map(closed));
  for (const socket of [plain, mute]) socket.resume();
  expect(judge(await talk("GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"))).toEqual([200]);
  await ended;
  clearInterval(drip);
  expect(judge(answer)).toEqual([408]);
});

test("bodies that stop half-way are given up by a bounded time", () => {
  expect(app.server.requestTimeout).toBe(30_000);
  expect(app.server.headersTimeout).toBe(5_000);
});
