import { afterAll, expect, onTestFinished, test } from "vitest";
import { Controller, type Reconcile, watch } from "../../operator/kube/controller.ts";
import { ConfigMaps, refOf } from "../../operator/kube/resource.ts";
import { kubeParts } from "../integration/kube-parts.ts";
import { testNamespace } from "../namespace.ts";
import { runtimeWorld } from "./runtime-world.ts";

const { cluster, namespace } = testNamespace();
const WAIT = { timeout: 30_000, interval: 10 };
const admin = await kubeParts(cluster.kubeconfig);
afterAll(() => admin.client.close());

type World = Awaited<ReturnType<typeof runtimeWorld>>;

const create = (label: string, name: string) =>
  admin.client.create(ConfigMaps, { metadata: { namespace, name, labels: { test: label } }, data: { state: "new" } });

/** The moments, in seconds, at which requests of this verb came in from now on. */
function momentsOf(world: World, verb: string): number[] {
  const moments: number[] = [];
  world.proxy.rule({ verb }, { before: () => void moments.push(world.clock.monotonic() / 1000) });
  return moments;
}

function gaps(moments: readonly number[]): number[] {
  return moments.slice(1).map((moment, index) => moment - (moments[index] ?? 0));
}

test.each([
  { status: 429, retryAfterSeconds: 20, atLeast: 20, atMost: 31 },
  { status: 503, retryAfterSeconds: 20, atLeast: 20, atMost: 31 },
  { status: 429, retryAfterSeconds: 86_400, atLeast: 30, atMost: 31 },
  { status: 500, retryAfterSeconds: undefined, atLeast: 15, atMost: 31 },
])(
  "lists refused with $status and Retry-After $retryAfterSeconds come again after $atLeast s to $atMost s",
  async ({ status, retryAfterSeconds, atLeast, atMost }) => {
    const world = await runtimeWorld(cluster, namespace);
    const label = `lists-${status}-${retryAfterSeconds}`;
    await create(label, `${label}-a`);
    const moments = momentsOf(world, "list");
    const answer = retryAfterSeconds === undefined ? { status } : { status, retryAfterSeconds };
    const rule = world.proxy.rule({ verb: "list" }, { answer });
    const filled = world.cache(label);
    await expect.poll(() => moments.length, WAIT).toBe(1);
    await world.pass(400);
    rule.remove();
    // The first few come at the pace of a short hiccup where the server asks for nothing else.
    const steady = gaps(moments).slice(6);
    expect(steady.length).toBeGreaterThan(4);
    expect(Math.min(...steady)).toBeGreaterThanOrEqual(atLeast - 1);
    expect(Math.max(...steady)).toBeLessThanOrEqual(atMost);
    await world.pass(31);
    expect((await filled).list()).toHaveLength(1);
  },
);

test("an open cache goes on through a storm on its watches, and hears within 60 s of its end what it missed", async () => {
  const world = await runtimeWorld(cluster, namespace);
  const informer = await world.cache("watches");
  const moments = momentsOf(world, "watch");
  const rule = world.proxy.rule({ verb: "watch" }, { answer: { status: 429, retryAfterSeconds: 5 } });
  world.proxy.cut();
  await create("watches", "w-a");
  await world.pass(300);
  expect(informer.list()).toEqual([]);
  expect(moments.length).toBeGreaterThan(300 / 31);
  expect(moments.length).toBeLessThan(300 / 15 + 6);
  rule.remove();
  await world.pass(31);
  await expect.poll(() => informer.list().length, WAIT).toBe(1);
  expect(world.proxy.requests(({ verb }) => verb === "list")).toHaveLength(1);
});

test("writes are repeated as far as that is safe: a create not after a 500, everything after a 429, six times at most", async () => {
  const world = await runtimeWorld(cluster, namespace);
  const { metadata } = await create("writes", "safe");
  const attempts = async (status: number, write: () => Promise<unknown>) => {
    using rule = world.proxy.rule(({ verb }) => verb !== "watch", { answer: { status } });
    let ended: unknown;
    void write().catch((error: unknown) => {
      ended = error;
    });
    await world.until(() => ended !== undefined, true);
    return rule.hits;
  };
  const { client } = world.parts;
  const created = () => client.create(ConfigMaps, { metadata: { namespace, name: "refused" } });
  const patched = () => client.patch(ConfigMaps, metadata, { data: { state: "patched" } });
  const applied = () => client.apply(ConfigMaps, { metadata: { namespace, name: "safe" } }, { manager: "m" });
  const deleted = () => client.delete(ConfigMaps, metadata);
  expect(await attempts(500, created)).toBe(1);
  expect(await attempts(429, created)).toBe(6);
  for (const write of [patched, applied, deleted]) expect(await attempts(500, write)).toBe(6);
});

/** A controller that marks each object of the cache as done, with one patch. */
async function marking(world: World, label: string, prepare: Reconcile = async () => {}) {
  const informer = await world.cache(label);
  const reconcile: Reconcile = async (key, ctx) => {
    await prepare(key, ctx);
    if (informer.get(key)?.data?.["state"] === "done") return;
    await ctx.client.patch(ConfigMaps, refOf(key), { data: { state: "done" } });
  };
  const { parts, informers } = world;
  const controller = new Controller({ ...parts, name: "marks", informers, watches: [watch(informer)], reconcile });
  const [stop, abort] = [new AbortController(), new AbortController()];
  const running = controller.run(stop.signal, abort.signal);
  onTestFinished(async () => {
    stop.abort();
    abort.abort();
    await world.clock.advance(5_000);
    await running;
  });
  const left = () => informer.list().filter(({ data }) => data?.["state"] !== "done").length;
  return { informer, left };
}

test.each([
  { status: 500, retryAfterSeconds: undefined, count: 10 },
  { status: 500, retryAfterSeconds: undefined, count: 1 },
  { status: 429, retryAfterSeconds: 10, count: 10 },
])(
  "25 minutes of $status on writes to $count objects is some requests a second at most, and over in two minutes",
  async ({ status, retryAfterSeconds, count }) => {
    const world = await runtimeWorld(cluster, namespace);
    const label = `marks-${status}-${count}`;
    for (let index = 0; index < count; index++) await create(label, `${label}-${index}`);
    const answer = retryAfterSeconds === undefined ? { status } : { status, retryAfterSeconds };
    const storm = world.proxy.rule({ verb: "patch" }, { answer });
    const { left } = await marking(world, label);
    await world.pass(200);
    const perSecond = storm.hits / 200;
    await world.pass(1300, 4);
    storm.remove();
    expect(left()).toBe(count);
    await world.pass(120);
    await expect.poll(left, WAIT).toBe(0);
    expect(perSecond).toBeGreaterThan(0.05);
    expect(perSecond).toBeLessThan(5);
  },
);

test("an object that can never be reconciled does not hold up the others, is tried ever more rarely, and is counted", async () => {
  const world = await runtimeWorld(cluster, namespace);
  for (const name of ["throws", "hangs", "fine-1", "fine-2"]) await create("poison", name);
  const calls = new Map<string, number>();
  const { informer, left } = await marking(world, "poison", async (key) => {
    const { name } = refOf(key);
    calls.set(name, (calls.get(name) ?? 0) + 1);
    if (name === "throws") throw new Error("always");
    // Deaf to its signal, as code that awaits something of its own is.
    if (name === "hangs") await new Promise(() => {});
  });
  await world.pass(120, 5);
  await world.until(left, 2);
  await create("poison", "fine-3");
  await world.until(() => informer.get({ namespace, name: "fine-3" })?.data?.["state"], "done");
  await world.pass(3_600, 30);
  // 5 ms doubled up to 1000 s: 18 in the first 22 minutes, then one in 17.
  expect(calls.get("throws")).toBeGreaterThan(15);
  expect(calls.get("throws")).toBeLessThan(23);
  expect(calls.get("hangs")).toBe(1);
  const logged = world.parts.lines.filter(({ level }) => level === "error");
  expect(logged).toHaveLength((calls.get("throws") ?? 0) + 1);
  const metric = (name: string) => world.parts.metric(`${name}{controller="marks"}`);
  expect(await metric("controller_runtime_reconcile_errors_total")).toBe(logged.length);
  expect(await metric("controller_runtime_reconcile_timeouts_total")).toBe(1);
  const longest = await world.parts.metric('workqueue_longest_running_processor_seconds{name="marks"}');
  expect(longest).toBeGreaterThan(3_600);
});

test("a change handler that throws for ever disturbs no other; it is counted, and logged once a minute", async () => {
  const world = await runtimeWorld(cluster, namespace);
  const informer = await world.cache("handlers");
  const seen: string[] = [];
  informer.onChange(() => {
    throw new Error("a bad handler");
  });
  informer.onChange(({ object }) => seen.push(object.metadata.name));
  const complaints = () => world.parts.lines.filter(({ message }) => message === "a change handler threw");
  const several = async (from: number) => {
    for (let index = from; index < from + 5; index++) await create("handlers", `h-${index}`);
    await expect.poll(() => seen.length, WAIT).toBe(from + 5);
  };
  await several(0);
  expect(complaints()).toMatchObject([{ level: "error", fields: { kind: "configmaps", error: "a bad handler" } }]);
  await world.pass(61, 61);
  await several(5);
  expect(complaints()).toMatchObject([{}, { fields: { unlogged: 4 } }]);
  expect(await world.parts.metric('informer_handler_errors_total{kind="configmaps"}')).toBe(10);
});
