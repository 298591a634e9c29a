import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { type Cluster, startCluster } from "../../hack/cluster/cluster.ts";
import type { WatchClient } from "../../operator/kube/client.ts";
import { Informers } from "../../operator/kube/informers.ts";
import { isGone } from "../../operator/kube/kube-error.ts";
import { ConfigMaps } from "../../operator/kube/resource.ts";
import { informersOf, type KubeParts, kubeParts, QUICK } from "./kube-parts.ts";
import { KubeProxy } from "./kube-proxy.ts";

// A control plane of its own: its API server is stopped and its etcd compacted.
let cluster: Cluster;
let admin: KubeParts;
beforeAll(async () => {
  cluster = await startCluster({ report: (line) => console.error(line) });
  admin = await kubeParts(cluster.kubeconfig);
});
afterAll(async () => {
  await admin?.client.close();
  await cluster?.stop();
});

const WAIT = { timeout: 60_000, interval: 20 };
const namespace = "default";
const create = (label: string, name: string) =>
  admin.client.create(ConfigMaps, { metadata: { namespace, name, labels: { test: label } } });
const remove = (name: string) => admin.client.delete(ConfigMaps, { namespace, name });
const names = (informer: { list(): readonly { metadata: { name: string } }[] }) =>
  informer
    .list()
    .map(({ metadata }) => metadata.name)
    .sort();

test("an API server that is killed and comes back finds the cache and its handlers where they were", async () => {
  await create("killed", "k-kept");
  await create("killed", "k-removed");
  const parts = await kubeParts(cluster.kubeconfig);
  const running = informersOf(parts, [namespace]);
  onTestFinished(() => running.stop());
  const informer = running.informers.of(ConfigMaps, { labelSelector: "test=killed" });
  const seen: string[] = [];
  informer.onChange(({ type, object }) => seen.push(`${type} ${object.metadata.name}`));
  running.start();
  await running.informers.synced();
  expect(seen.sort()).toEqual(["added k-kept", "added k-removed"]);

  await cluster.stopApiServer("SIGKILL");
  const healthy = () => parts.metric(`informer_healthy{kind="configmaps",namespace="${namespace}"}`);
  await expect.poll(healthy, WAIT).toBe(0);
  expect(informer.list()).toHaveLength(2);
  await cluster.startApiServer();
  // Through a client of its own, so that these may come before the cache has found its way back.
  await create("killed", "k-new");
  await remove("k-removed");
  await expect.poll(() => names(informer), WAIT).toEqual(["k-kept", "k-new"]);
  await expect.poll(healthy, WAIT).toBe(1);
  // Each change once, however the cache came to know of it.
  expect(seen.slice(2).sort()).toEqual(["added k-new", "deleted k-removed"]);
});

test("a watch whose place in the history was compacted away (410) lists again and tells what it missed", async () => {
  await using proxy = await KubeProxy.start(cluster.server);
  await create("compacted", "c-kept");
  await create("compacted", "c-removed");
  const parts = await kubeParts(cluster.kubeconfig, { server: proxy.url });
  const running = informersOf(parts, [namespace]);
  onTestFinished(() => running.stop());
  const informer = running.informers.of(ConfigMaps, { labelSelector: "test=compacted" });
  const seen: string[] = [];
  informer.onChange(({ type, object }) => seen.push(`${type} ${object.metadata.name}`));
  running.start();
  await running.informers.synced();
  expect(seen.sort()).toEqual(["added c-kept", "added c-removed"]);

  proxy.refuse();
  await remove("c-removed");
  await create("compacted", "c-new");
  await cluster.compactEtcd();
  // Its cache would still hold the old history.
  await cluster.stopApiServer();
  await cluster.startApiServer();
  proxy.forward();
  await expect.poll(() => names(informer), WAIT).toEqual(["c-kept", "c-new"]);
  expect(seen.slice(2).sort()).toEqual(["added c-new", "deleted c-removed"]);
  expect(parts.lines.filter(({ fields }) => fields["code"] === "kube/gone")).toHaveLength(1);
  expect(await parts.metric(`informer_relists_total{kind="configmaps",namespace="${namespace}"}`)).toBe(1);
});

test("a list whose moment is compacted away between two pages begins again, and is complete", async () => {
  const count = 7;
  for (let index = 0; index < count; index++) await create("pages", `p-${index}`);
  const parts = await kubeParts(cluster.kubeconfig);
  const query = { namespace, labelSelector: "test=pages", limit: 3 };
  let interrupted = false;
  // The real client; only time is let pass after the first page of the first list.
  const slow: WatchClient = Object.assign(Object.create(parts.client) as WatchClient, {
    get: parts.client.get.bind(parts.client),
    watch: parts.client.watch.bind(parts.client),
    list: async (...args: Parameters<WatchClient["list"]>) => {
      const page = await parts.client.list(...args);
      if (!interrupted && page.continue !== undefined) {
        interrupted = true;
        await remove("p-0");
        await create("pages", "p-late");
        await cluster.compactEtcd();
        const tryIt = () =>
          parts.client.list(ConfigMaps, { ...query, continue: page.continue }).then(() => false, isGone);
        await expect.poll(tryIt, { timeout: 60_000, interval: 200 }).toBe(true);
      }
      return page;
    },
  });
  const ended = new AbortController();
  const informers = new Informers({ ...parts, client: slow, namespaces: [namespace], timing: { ...QUICK, page: 3 } });
  const informer = informers.of(ConfigMaps, { labelSelector: "test=pages" });
  informers.start(ended.signal);
  onTestFinished(async () => {
    ended.abort();
    await informers.stopped();
    await parts.client.close();
  });
  await expect.poll(() => informer.hasSynced, WAIT).toBe(true);
  expect(interrupted).toBe(true);
  expect(names(informer)).toEqual(["p-1", "p-2", "p-3", "p-4", "p-5", "p-6", "p-late"]);
  expect(parts.lines.filter(({ fields }) => fields["code"] === "kube/gone")).toHaveLength(1);
});
