import { PassThrough } from "node:stream";
import { Registry } from "prom-client";
import { expect, onTestFinished, test } from "vitest";
import { ManualClock } from "#base/manual-clock.ts";
import type { WatchClient } from "./client.ts";
import { KubeError } from "./kube-error.ts";
import type { Log } from "./log.ts";
import { kubeMetrics } from "./metrics.ts";
import { REFLECTOR_TIMING, Reflector } from "./reflector.ts";
import { type ConfigMap, ConfigMaps, keyOf } from "./resource.ts";

// What no real API server can be made to do on demand, and what takes minutes: a server by hand and a clock by hand.
// All the rest is on a real one: test/integration/kube-informer.test.ts and kube-outage.test.ts.

const quiet: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };
const object = (name: string, version: string) => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { namespace: "n", name, uid: name, resourceVersion: version },
});

async function start(answers: { watch?: () => PassThrough; version?: () => string } = {}) {
  const clock = new ManualClock();
  const history: string[] = [];
  const bodies: PassThrough[] = [];
  const { watch = () => new PassThrough(), version = () => "10" } = answers;
  const client = {
    async list() {
      history.push(`${clock.monotonic()} list`);
      return { items: [object("a", "5")], resourceVersion: version(), continue: undefined };
    },
    async watch(_kind: unknown, query: { resourceVersion: string }, signal: AbortSignal) {
      history.push(`${clock.monotonic()} watch ${query.resourceVersion}`);
      const body = watch();
      signal.addEventListener("abort", () => body.destroy(signal.reason));
      bodies.push(body);
      return body;
    },
  } as unknown as WatchClient;
  const present = new Set<string>();
  const reflector = new Reflector<ConfigMap>({
    client,
    kind: ConfigMaps,
    query: { namespace: "n" },
    sink: {
      present: (each) => void present.add(keyOf(each)),
      gone: (each) => void present.delete(keyOf(each)),
      listed: (keys) => void [...present].filter((key) => !keys.has(key)).map((key) => present.delete(key)),
    },
    transform: (each) => each,
    clock,
    random: { next: () => 1 },
    log: quiet,
    metrics: kubeMetrics(new Registry()),
    timing: REFLECTOR_TIMING,
  });
  const ended = new AbortController();
  const running = reflector.run(ended.signal);
  onTestFinished(async () => {
    ended.abort();
    await running;
  });
  await clock.advance(0);
  const say = async (type: string, said: object) => {
    bodies.at(-1)?.write(`${JSON.stringify({ type, object: said })}\n`);
    await clock.advance(0);
  };
  return { clock, history, bodies, present, reflector, say };
}

const bookmark = (version: string) => ({ metadata: { resourceVersion: version } });

test("a server that ends every watch at once is asked with growing delays, from the same place", async () => {
  const { clock, history } = await start({ watch: () => new PassThrough().end() });
  await clock.advance(6000);
  expect(history).toEqual(["0 list", "0 watch 10", "800 watch 10", "2400 watch 10", "5600 watch 10"]);
});

test("Retry-After of a refused watch is waited for", async () => {
  let refused = false;
  const watch = () => {
    if (refused) return new PassThrough();
    refused = true;
    throw new KubeError(429, "TooManyRequests", "", { retryAfterMs: 5000 });
  };
  const { clock, history } = await start({ watch });
  await clock.advance(6000);
  expect(history).toEqual(["0 list", "0 watch 10", "5000 watch 10"]);
});

test("a watch is cut after 150 s of silence; a bookmark a minute keeps it", async () => {
  const { clock, history, say } = await start();
  for (let minute = 1; minute <= 5; minute++) {
    await clock.advance(60_000);
    await say("BOOKMARK", bookmark(String(10 + minute)));
  }
  await clock.advance(149_999);
  expect(history).toEqual(["0 list", "0 watch 10"]);
  await clock.advance(1 + 800);
  expect(history.at(-1)).toBe("450800 watch 15");
});

test.each([
  ["an ERROR event with 410", (say: Say) => say("ERROR", { code: 410, reason: "Expired" })],
  ["a line that is no event", (say: Say) => say("MOVED", object("a", "11"))],
  ["a resourceVersion the server has not reached (504)", (say: Say) => say("ERROR", { code: 504, reason: "Timeout" })],
])("after %s only a list is trusted", async (_, happen) => {
  const { clock, history, say } = await start();
  await say("ADDED", object("b", "11"));
  await happen(say);
  await clock.advance(800);
  expect(history).toEqual(["0 list", "0 watch 10", "800 list", "800 watch 10"]);
});
type Say = (type: string, said: object) => Promise<void>;

test("after a failure of the server the watch goes on behind the last event", async () => {
  const { clock, history, present, say } = await start();
  await say("ADDED", object("b", "11"));
  await say("DELETED", object("a", "12"));
  await say("ERROR", { code: 500, reason: "InternalError" });
  await clock.advance(800);
  expect([history.at(-1), [...present]]).toEqual(["800 watch 12", ["n/b"]]);
});

test("a mark is seen by a newer event, by a bookmark, and not by an older event", async () => {
  const { reflector, say } = await start();
  const seen: string[] = [];
  reflector.whenSeen(reflector.mark("10"), () => seen.push("10"));
  reflector.whenSeen(reflector.mark("12"), () => seen.push("12"));
  reflector.whenSeen(reflector.mark("20"), () => seen.push("20"));
  expect(seen).toEqual(["10"]);
  await say("MODIFIED", object("a", "11"));
  expect(seen).toEqual(["10"]);
  await say("MODIFIED", object("a", "13"));
  expect(seen).toEqual(["10", "12"]);
  await say("BOOKMARK", bookmark("100"));
  expect(seen).toEqual(["10", "12", "20"]);
});

test("a mark of a history that is no more (etcd restored to an older revision) is seen by the next list", async () => {
  let version = "900";
  const { clock, reflector, say } = await start({ version: () => version });
  const seen: string[] = [];
  reflector.whenSeen(reflector.mark("1000"), () => seen.push("1000"));
  version = "50";
  await say("ERROR", { code: 410, reason: "Expired" });
  expect(seen).toEqual([]);
  await clock.advance(800);
  expect(seen).toEqual(["1000"]);
  expect([reflector.hasSeen(reflector.mark("60")), reflector.hasSeen(reflector.mark("50"))]).toEqual([false, true]);
});
