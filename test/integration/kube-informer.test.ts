import { afterAll, expect, onTestFinished, test } from "vitest";
import type { ObjectMeta } from "#crds/meta.ts";
import type { Informer } from "../../operator/kube/informer.ts";
import { type ConfigMap, ConfigMaps, holdfast, type KubeObject, keyOf, Secrets } from "../../operator/kube/resource.ts";
import { testNamespace } from "../namespace.ts";
import { informersOf, type KubeParts, kubeParts, QUICK } from "./kube-parts.ts";
import { KubeProxy } from "./kube-proxy.ts";

const { cluster, namespace, kubectl } = testNamespace();
const WAIT = { timeout: 20_000, interval: 20 };
const admin = await kubeParts(cluster.kubeconfig);
afterAll(() => admin.client.close());

/** Each test sees only its own objects: those with its label. */
const create = (label: string, name: string, data: Record<string, string> = {}) =>
  admin.client.create(ConfigMaps, { metadata: { namespace, name, labels: { test: label } }, data });
const write = (name: string, data: Record<string, string>) =>
  admin.client.patch(ConfigMaps, { namespace, name }, { data });
const remove = (name: string) => admin.client.delete(ConfigMaps, { namespace, name });

async function watchThrough(proxy: KubeProxy | undefined, label: string, timing = QUICK) {
  const parts = await kubeParts(cluster.kubeconfig, proxy === undefined ? {} : { server: proxy.url });
  const running = informersOf(parts, [namespace], timing);
  onTestFinished(() => running.stop());
  const informer = running.informers.of(ConfigMaps, { labelSelector: `test=${label}` });
  const seen: string[] = [];
  informer.onChange(({ type, object }) =>
    seen.push(`${type} ${object.metadata.name} ${object.data?.["v"] ?? ""}`.trim()),
  );
  running.start();
  await running.informers.synced();
  return { ...running, parts, informer, seen };
}

const content = (informer: Informer<ConfigMap>) =>
  Object.fromEntries(informer.list().map(({ metadata, data }) => [metadata.name, data?.["v"]]));
const watches = (parts: KubeParts) =>
  parts.metric(`reflector_watches_total{name="configmaps",namespace="${namespace}"}`);
const healthy = (parts: KubeParts) => parts.metric(`informer_healthy{kind="configmaps",namespace="${namespace}"}`);
const relists = (parts: KubeParts) =>
  parts.metric(`informer_relists_total{kind="configmaps",namespace="${namespace}"}`);

test("a cache follows what happens, and tells each change once, with what was before", async () => {
  await create("follows", "f-a", { v: "1" });
  const { informer, seen } = await watchThrough(undefined, "follows");
  await write("f-a", { v: "2" });
  await create("follows", "f-b", { v: "1" });
  await remove("f-a");
  await expect.poll(() => seen, WAIT).toEqual(["added f-a 1", "updated f-a 2", "added f-b 1", "deleted f-a 2"]);
  expect(content(informer)).toEqual({ "f-b": "1" });
});

test("who subscribes later is told first what is there, and one who throws disturbs nobody", async () => {
  await create("later", "l-a");
  const { informer, parts } = await watchThrough(undefined, "later");
  informer.onChange(() => {
    throw new Error("a bad handler");
  });
  const seen: string[] = [];
  const stop = informer.onChange(({ type, object }) => seen.push(`${type} ${object.metadata.name}`));
  expect(seen).toEqual(["added l-a"]);
  await create("later", "l-b");
  await expect.poll(() => seen, WAIT).toEqual(["added l-a", "added l-b"]);
  stop();
  await create("later", "l-c");
  await expect.poll(() => informer.get(`${namespace}/l-c`), WAIT).toBeDefined();
  expect(seen).toHaveLength(2);
  expect(await parts.metric('informer_handler_errors_total{kind="configmaps"}')).toBe(3);
});

test("objects come whole but for managedFields, and cannot be changed", async () => {
  await create("frozen", "z-a", { v: "1" });
  const { informer } = await watchThrough(undefined, "frozen");
  const object = informer.get({ namespace, name: "z-a" }) as ConfigMap;
  const { managedFields: _, ...metadata } = (await admin.client.get(ConfigMaps, object.metadata))
    .metadata as ObjectMeta & {
    managedFields?: unknown;
  };
  expect(object).toEqual({ apiVersion: "v1", kind: "ConfigMap", metadata, data: { v: "1" } });
  expect(() => Object.assign(object.data as object, { v: "2" })).toThrow(TypeError);
});

test("a watch cut by a TCP reset goes on where it was: nothing is missed and nothing listed again", async () => {
  await using proxy = await KubeProxy.start(cluster.server);
  await create("reset", "r-0", { v: "1" });
  const { parts, informer, seen } = await watchThrough(proxy, "reset");
  for (let round = 1; round <= 5; round++) {
    await expect.poll(() => healthy(parts), WAIT).toBe(1);
    const before = await watches(parts);
    proxy.cut();
    await create("reset", `r-${round}`, { v: "1" });
    await remove(`r-${round - 1}`);
    await expect.poll(() => watches(parts), WAIT).toBeGreaterThan(before);
  }
  await expect.poll(() => content(informer), WAIT).toEqual({ "r-5": "1" });
  expect(seen).toEqual([
    "added r-0 1",
    ...[1, 2, 3, 4, 5].flatMap((round) => [`added r-${round} 1`, `deleted r-${round - 1} 1`]),
  ]);
  expect(await relists(parts)).toBe(0);
});

test("a server that refuses every connection for a while is waited for, with growing delays", async () => {
  await using proxy = await KubeProxy.start(cluster.server);
  await create("refuse", "x-a", { v: "1" });
  const { parts, informer } = await watchThrough(proxy, "refuse");
  await expect.poll(() => healthy(parts), WAIT).toBe(1);
  proxy.refuse();
  await expect.poll(() => parts.lines.filter(({ level }) => level === "warn").length, WAIT).toBeGreaterThan(4);
  expect(await healthy(parts)).toBe(0);
  await create("refuse", "x-b", { v: "1" });
  await remove("x-a");
  const delays = parts.lines.map(({ fields }) => fields["delayMs"] as number);
  expect(Math.max(...delays.slice(3))).toBeGreaterThan(Math.max(...delays.slice(0, 1)));
  proxy.forward();
  await expect.poll(() => content(informer), WAIT).toEqual({ "x-b": "1" });
  await expect.poll(() => healthy(parts), WAIT).toBe(1);
});

test("a watch on a connection that went silent is cut and begun again", async () => {
  await using proxy = await KubeProxy.start(cluster.server);
  const { parts, informer } = await watchThrough(proxy, "silent", { ...QUICK, silenceMs: 1500 });
  proxy.hang();
  await create("silent", "s-a", { v: "1" });
  await expect
    .poll(() => parts.lines.some(({ fields }) => /silent for 1500 ms/.test(String(fields["error"]))), WAIT)
    .toBe(true);
  proxy.forward();
  proxy.cut(); // what hung stays lost, as a vanished machine's connections do
  await expect.poll(() => content(informer), WAIT).toEqual({ "s-a": "1" });
});

test("a server that ends its watches is asked for the next at once, from the same place", async () => {
  const { parts, informer } = await watchThrough(undefined, "ends", { ...QUICK, watchSeconds: [1, 2] });
  const begun = await watches(parts);
  await expect.poll(() => watches(parts), WAIT).toBeGreaterThan(begun + 1);
  await create("ends", "e-a", { v: "1" });
  await expect.poll(() => content(informer), WAIT).toEqual({ "e-a": "1" });
  expect([await relists(parts), parts.lines.filter(({ level }) => level === "warn")]).toEqual([0, []]);
});

test("of several namespaces each has its own watch, under a Role, and others are not seen", async () => {
  const [second, other] = [`${namespace}-2`, `${namespace}-3`];
  for (const name of [second, other]) {
    await kubectl(["create", "namespace", name]);
    onTestFinished(async () => void (await kubectl(["delete", "namespace", name, "--wait=false"])));
    await kubectl(["create", "configmap", "there", "-n", name]);
  }
  const user = `operator-of-${namespace}`;
  const parts = await kubeParts(await cluster.kubeconfigFor(user));
  const running = informersOf(parts, [namespace, second]);
  onTestFinished(() => running.stop());
  const informer = running.informers.of(ConfigMaps);
  running.start();
  const refused = () => parts.lines.filter(({ fields }) => fields["code"] === "kube/forbidden").length;
  await expect.poll(refused, WAIT).toBeGreaterThan(3);
  expect(informer.hasSynced).toBe(false);
  // The permission comes while it tries: nobody has to start anything again.
  for (const name of [namespace, second]) {
    await kubectl(["create", "rolebinding", "watch", "--clusterrole=view", `--user=${user}`, "-n", name]);
  }
  await running.informers.synced();
  const namespaces = new Set(informer.list().map(({ metadata }) => metadata.namespace));
  expect(namespaces).toEqual(new Set([namespace, second]));
  expect(informer.list(second).map(keyOf)).toContain(`${second}/there`);
  await kubectl(["delete", "configmap", "there", "-n", second]);
  await expect.poll(() => informer.get(`${second}/there`), WAIT).toBeUndefined();
});

test("an API that goes away and comes back empties and fills the cache without a restart", async () => {
  type Probe = KubeObject & { spec: { v: string } };
  const plural = `probes${namespace.slice(5)}`;
  const Probes = { ...holdfast<Probe>("Probe", plural), group: "kube-informer.test" };
  const crd = {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${Probes.group}` },
    spec: {
      group: Probes.group,
      scope: "Namespaced",
      names: { plural, kind: "Probe" },
      versions: [
        {
          name: "v1alpha1",
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } },
        },
      ],
    },
  };
  const install = async () => {
    await kubectl(["apply", "-f", "-"], JSON.stringify(crd));
    await kubectl(["wait", "--for=condition=Established", `crd/${crd.metadata.name}`]);
  };
  const probe = (name: string) => admin.client.create(Probes, { metadata: { namespace, name }, spec: { v: name } });
  onTestFinished(
    async () => void (await kubectl(["delete", "crd", crd.metadata.name, "--ignore-not-found", "--wait=false"])),
  );

  const parts = await kubeParts(cluster.kubeconfig);
  const running = informersOf(parts, [namespace]);
  onTestFinished(() => running.stop());
  const informer = running.informers.of(Probes);
  const names = () => informer.list().map(({ metadata }) => metadata.name);
  running.start();
  // A 404 that is no Status: the kind is not served, which is not the same as an object that is not there.
  await expect.poll(() => parts.lines.some(({ fields }) => fields["code"] === "kube/unavailable"), WAIT).toBe(true);
  expect(informer.hasSynced).toBe(false);
  await install();
  await probe("first");
  await expect.poll(names, WAIT).toEqual(["first"]);
  await kubectl(["delete", "crd", crd.metadata.name]);
  await expect.poll(names, WAIT).toEqual([]);
  await install();
  await probe("second");
  await expect.poll(names, WAIT).toEqual(["second"]);
});

test("staleness, the last sync and the number of objects are there to be scraped", async () => {
  await create("metrics", "m-a");
  const { parts } = await watchThrough(undefined, "metrics");
  const labels = `{kind="configmaps",namespace="${namespace}"}`;
  expect(await parts.metric(`informer_staleness_seconds${labels}`)).toBeGreaterThan(0);
  expect(await parts.metric(`informer_last_sync_timestamp_seconds${labels}`)).toBeGreaterThan(Date.now() / 1000 - 60);
  expect(await parts.metric('informer_objects{kind="configmaps"}')).toBe(1);
});

test("there is no cache of Secrets", async () => {
  const { informers } = informersOf(admin, [namespace]);
  expect(() => informers.of(Secrets)).toThrow("Secrets are read by name");
});
