import { afterAll, expect, onTestFinished, test } from "vitest";
import { Controller, type Reconcile, watch } from "../../operator/kube/controller.ts";
import { generationChanged } from "../../operator/kube/predicates.ts";
import type { REFLECTOR_TIMING } from "../../operator/kube/reflector.ts";
import { type ConfigMap, ConfigMaps, keyOf, Namespaces, refOf } from "../../operator/kube/resource.ts";
import { testNamespace } from "../namespace.ts";
import { informersOf, kubeParts, QUICK } from "./kube-parts.ts";
import { KubeProxy } from "./kube-proxy.ts";

const { cluster, namespace } = testNamespace();
const WAIT = { timeout: 20_000, interval: 20 };
const admin = await kubeParts(cluster.kubeconfig);
afterAll(() => admin.client.close());

const create = (name: string, labels: Record<string, string>, data: Record<string, string> = {}) =>
  admin.client.create(ConfigMaps, { metadata: { namespace, name, labels }, data });

/** A controller over ConfigMaps with a label, its caches behind a proxy; its writes go straight to the server. */
async function control(proxy: KubeProxy, label: string, reconcile: Reconcile, timing: typeof REFLECTOR_TIMING = QUICK) {
  const parts = await kubeParts(cluster.kubeconfig, { server: proxy.url });
  const running = informersOf(parts, [namespace], timing);
  const informer = running.informers.of(ConfigMaps, { labelSelector: `test=${label}` });
  const parents = (object: ConfigMap) => {
    const parent = object.metadata.labels?.["parent"];
    return [parent === undefined ? keyOf(object) : `${namespace}/${parent}`];
  };
  const { informers } = running;
  const watches = [watch(informer, { keys: parents, when: generationChanged })];
  const controller = new Controller({ ...parts, name: "test", client: admin.client, informers, watches, reconcile });
  const [stop, abort] = [new AbortController(), new AbortController()];
  running.start();
  const ended = controller.run(stop.signal, abort.signal);
  onTestFinished(async () => {
    stop.abort();
    abort.abort();
    await ended;
    await running.stop();
  });
  return { parts, informer, controller, informers };
}

/** Makes one child of each parent if the cache shows none, under a name the API server chooses: twice would be two. */
const oneChild =
  (informer: () => { list(): readonly ConfigMap[] }, label: string, calls: string[]): Reconcile =>
  async (key, { client }) => {
    calls.push(key);
    const { name } = refOf(key);
    if (
      informer()
        .list()
        .some(({ metadata }) => metadata.labels?.["parent"] === name)
    )
      return;
    const labels = { test: label, parent: name };
    await client.create(ConfigMaps, { metadata: { namespace, generateName: `${name}-child-`, labels } });
  };

test("a reconcile never acts before the cache has seen what the one before wrote, however late the cache is", async () => {
  await using proxy = await KubeProxy.start(cluster.server);
  const calls: string[] = [];
  const { informer, controller } = await control(
    proxy,
    "late",
    oneChild(() => informer, "late", calls),
  );
  await expect.poll(() => informer.hasSynced, WAIT).toBe(true);
  proxy.latencyMs = 700;
  await create("late-parent", { test: "late" });
  await expect.poll(() => calls.length, WAIT).toBe(1);
  for (let again = 0; again < 20; again++) {
    controller.enqueue(`${namespace}/late-parent`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await expect.poll(() => calls.length, WAIT).toBeGreaterThan(1);
  const children = await admin.client.list(ConfigMaps, { namespace, labelSelector: "parent=late-parent" });
  expect(children.items).toHaveLength(1);
});

test("a written object that is deleted before the cache ever shows it stalls nobody", async () => {
  await using proxy = await KubeProxy.start(cluster.server);
  let calls = 0;
  const { informer } = await control(proxy, "gone", async (key, { client }) => {
    if (++calls > 1) return;
    const labels = { test: "gone", parent: refOf(key).name };
    const child = await client.create(ConfigMaps, { metadata: { namespace, generateName: "gone-child-", labels } });
    proxy.cut();
    await admin.client.delete(ConfigMaps, child.metadata);
  });
  await expect.poll(() => informer.hasSynced, WAIT).toBe(true);
  await create("gone-parent", { test: "gone" });
  await expect.poll(() => calls, WAIT).toBeGreaterThan(1);
});

test("a write that the cache will never show is waited for until the next bookmark only", async () => {
  await using proxy = await KubeProxy.start(cluster.server);
  let calls = 0;
  const reconcile: Reconcile = async (_key, { client }) => {
    calls++;
    // Without the label: outside of what this cache selects.
    if (calls === 1) await client.create(ConfigMaps, { metadata: { namespace, generateName: "unseen-" } });
  };
  // The API server sends a bookmark shortly before it ends a watch.
  const { informer, controller } = await control(proxy, "unseen", reconcile, { ...QUICK, watchSeconds: [4, 5] });
  await expect.poll(() => informer.hasSynced, WAIT).toBe(true);
  await create("unseen-parent", { test: "unseen" });
  await expect.poll(() => calls, WAIT).toBe(1);
  controller.enqueue(`${namespace}/unseen-parent`);
  await expect.poll(() => calls, WAIT).toBe(2);
});

test("nothing is reconciled before every cache is filled, and then everything is", async () => {
  await using proxy = await KubeProxy.start(cluster.server);
  await Promise.all(Array.from({ length: 30 }, (_, index) => create(`all-${index}`, { test: "all" })));
  const reconciled = new Set<string>();
  let synced: boolean | undefined;
  proxy.refuse();
  const { parts, informers } = await control(proxy, "all", async (key) => {
    synced ??= informers.hasSynced;
    reconciled.add(key);
  });
  informers.of(Namespaces);
  await expect.poll(() => parts.lines.length, WAIT).toBeGreaterThan(3);
  expect(reconciled.size).toBe(0);
  proxy.forward();
  await expect.poll(() => reconciled.size, WAIT).toBe(30);
  expect(synced).toBe(true);
});

test("a change is reconciled for whom the object belongs to now and for whom it belonged to before", async () => {
  await using proxy = await KubeProxy.start(cluster.server);
  const calls: string[] = [];
  const { informer } = await control(proxy, "moves", async (key) => void calls.push(refOf(key).name));
  await expect.poll(() => informer.hasSynced, WAIT).toBe(true);
  const child = await create("moves-child", { test: "moves", parent: "one" });
  await expect.poll(() => calls, WAIT).toEqual(["one"]);
  await admin.client.patch(ConfigMaps, child.metadata, { metadata: { labels: { parent: "two" } } });
  await expect.poll(() => calls.toSorted(), WAIT).toEqual(["one", "one", "two"]);
});
