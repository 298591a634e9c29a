import { afterAll, expect, test } from "vitest";
import { ConfigMaps } from "../../operator/kube/resource.ts";
import { kubeParts } from "../integration/kube-parts.ts";
import { testNamespace } from "../namespace.ts";
import { runtimeWorld } from "./runtime-world.ts";

const { cluster, namespace } = testNamespace();
const WAIT = { timeout: 30_000, interval: 10 };
const admin = await kubeParts(cluster.kubeconfig);
afterAll(() => admin.client.close());

const create = (label: string, name: string) =>
  admin.client.create(ConfigMaps, { metadata: { namespace, name, labels: { test: label } } });
const names = (informer: { list(): readonly { metadata: { name: string } }[] }) =>
  informer.list().map(({ metadata }) => metadata.name);

test("a watch that says nothing is cut after 150 s, not before, and goes on where it was: what was lost comes again", async () => {
  const world = await runtimeWorld(cluster, namespace);
  const informer = await world.cache("silent");
  const rule = world.proxy.rule({ verb: "watch" }, { silent: true });
  await create("silent", "s-a");
  await expect.poll(() => rule.hits, WAIT).toBeGreaterThan(0);
  rule.remove();
  await world.pass(149, 149);
  expect([names(informer), world.parts.lines.filter(({ level }) => level === "warn")]).toEqual([[], []]);
  await world.until(() => names(informer), ["s-a"]);
  const [cut] = world.parts.lines.filter(({ level }) => level === "warn");
  expect(cut?.fields["error"]).toBe("watch configmaps: silent for 150000 ms");
  expect(world.proxy.requests(({ verb }) => verb === "list")).toHaveLength(1);
});

test.each(["end", "reset"] as const)(
  "a line of a watch that is cut in the middle (%s) is read again, and nothing listed",
  async (truncate) => {
    const world = await runtimeWorld(cluster, namespace);
    const label = `truncated-${truncate}`;
    const informer = await world.cache(label);
    const seen: string[] = [];
    informer.onChange(({ type, object }) => seen.push(`${type} ${object.metadata.name}`));
    const over = () => world.proxy.requests(({ verb, done }) => verb === "watch" && done).length;
    for (const name of [`${label}-a`, `${label}-b`]) {
      const before = over();
      world.proxy.rule({ verb: "watch" }, { truncate }, 1);
      await create(label, name);
      await expect.poll(over, WAIT).toBe(before + 1);
      await world.until(() => names(informer).includes(name), true);
    }
    expect(seen).toEqual([`added ${label}-a`, `added ${label}-b`]);
    expect(world.proxy.requests(({ verb }) => verb === "list")).toHaveLength(1);
  },
);

test("a line without an end is cut off at 8 MiB, not kept, and the cache is listed anew", async () => {
  const world = await runtimeWorld(cluster, namespace);
  const informer = await world.cache("oversized");
  const size = 512 * 2 ** 20;
  world.proxy.rule({ verb: "watch" }, { oversizeBytes: size }, 1);
  await create("oversized", "o-a");
  await expect
    .poll(() => world.parts.lines.map(({ fields }) => fields["error"]), WAIT)
    .toEqual([`watch: an event of more than ${8 * 2 ** 20} bytes`]);
  const [watch] = world.proxy.requests(({ verb }) => verb === "watch");
  await expect.poll(() => watch?.done, WAIT).toBe(true);
  // What both sides' sockets hold comes on top.
  expect(watch?.bytes).toBeLessThan(32 * 2 ** 20);
  await world.until(() => names(informer), ["o-a"]);
  expect(world.proxy.requests(({ verb }) => verb === "list")).toHaveLength(2);
});

test("a server that says 410 to every watch is listed ever more rarely, at most twice a minute", async () => {
  const world = await runtimeWorld(cluster, namespace);
  const informer = await world.cache("gone");
  const rule = world.proxy.rule({ verb: "watch" }, { answer: { status: 410 } });
  await create("gone", "g-a");
  world.proxy.cut();
  await world.pass(120);
  const lists = () => world.proxy.requests(({ verb }) => verb === "list").length;
  const first = lists();
  await world.pass(600, 5);
  // Half to all of 30 s apart.
  expect(lists() - first).toBeGreaterThan(600 / 30 - 5);
  expect(lists() - first).toBeLessThan(600 / 15 + 1);
  expect(names(informer)).toEqual(["g-a"]);
  rule.remove();
  await world.pass(31);
  await create("gone", "g-b");
  await expect.poll(() => names(informer).sort(), WAIT).toEqual(["g-a", "g-b"]);
});

test("a page that does not come is waited for a minute, and is then asked for again", async () => {
  const world = await runtimeWorld(cluster, namespace);
  await create("slow", "l-a");
  world.proxy.rule({ verb: "list" }, { hang: true }, 1);
  const filled = world.cache("slow");
  const lists = () => world.proxy.requests(({ verb }) => verb === "list");
  await expect.poll(() => lists().length, WAIT).toBe(1);
  await world.clock.advance(59_000);
  expect(lists()).toMatchObject([{ done: false }]);
  await world.clock.advance(1_000);
  await expect.poll(() => lists()[0]?.done, WAIT).toBe(true);
  await world.until(() => lists().length, 2);
  expect(names(await filled)).toEqual(["l-a"]);
  expect(world.parts.lines.map(({ fields }) => fields["code"])).toEqual(["kube/timeout"]);
});
