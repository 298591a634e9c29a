import { afterAll, expect, onTestFinished, test } from "vitest";
import { ConfigMaps } from "../../operator/kube/resource.ts";
import { informersOf, kubeParts, QUICK } from "../integration/kube-parts.ts";
import { KubeProxy } from "../integration/kube-proxy.ts";
import { testNamespace } from "../namespace.ts";

const { cluster, namespace } = testNamespace();
const WAIT = { timeout: 60_000, interval: 50 };
const admin = await kubeParts(cluster.kubeconfig);
afterAll(() => admin.client.close());

test("a connection that was forgotten on the way is given up: watches and requests go on over a new one", async () => {
  await using proxy = await KubeProxy.start(cluster.server);
  const parts = await kubeParts(cluster.kubeconfig, { server: proxy.url });
  const running = informersOf(parts, [namespace], { ...QUICK, silenceMs: 1500 });
  onTestFinished(() => running.stop());
  const informer = running.informers.of(ConfigMaps, { labelSelector: "test=forgotten" });
  running.start();
  await running.informers.synced();
  proxy.forget();
  await admin.client.create(ConfigMaps, { metadata: { namespace, name: "f-a", labels: { test: "forgotten" } } });
  await expect.poll(() => informer.list().map(({ metadata }) => metadata.name), WAIT).toEqual(["f-a"]);
});

test("more watches than one HTTP/2 connection takes do not keep requests from their turn", async () => {
  await using proxy = await KubeProxy.start(cluster.server);
  const parts = await kubeParts(cluster.kubeconfig, { server: proxy.url });
  const stop = new AbortController();
  onTestFinished(async () => {
    stop.abort();
    await parts.client.close();
  });
  const { resourceVersion } = await parts.client.list(ConfigMaps, { namespace });
  const query = { namespace, resourceVersion, timeoutSeconds: 300 };
  await Promise.all(Array.from({ length: 250 }, () => parts.client.watch(ConfigMaps, query, stop.signal)));
  await parts.client.list(ConfigMaps, { namespace });
  expect(proxy.connections).toBeLessThanOrEqual(4);
});
