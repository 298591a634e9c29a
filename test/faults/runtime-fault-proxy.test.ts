import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { FaultProxy } from "../../hack/fault-proxy/fault-proxy.ts";
import { type ConfigMap, ConfigMaps } from "../../operator/kube/resource.ts";
import { type KubeParts, kubeParts } from "../integration/kube-parts.ts";
import { testNamespace } from "../namespace.ts";

const { cluster, namespace, kubectl } = testNamespace();
const WAIT = { timeout: 20_000, interval: 20 };
const draft = (name: string): ConfigMap => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { namespace, name } as ConfigMap["metadata"],
});
const once = { retry: false } as const;

describe.each(["h2", "http/1.1"] as const)("over %s", (protocol) => {
  const prefix = protocol === "h2" ? "two" : "one";
  let proxy: FaultProxy;
  let parts: KubeParts;
  beforeAll(async () => {
    proxy = await FaultProxy.start({ cluster, protocol });
    parts = await kubeParts(proxy.kubeconfig(cluster.kubeconfig));
  });
  afterAll(async () => {
    await parts.client.close();
    await proxy.stop();
  });

  /** The lines of a watch through the proxy, as they come; `ended` says how it ended. */
  async function watching(selector: string, timeoutMs = 60_000) {
    const stop = new AbortController();
    onTestFinished(() => stop.abort());
    const { resourceVersion } = await parts.client.list(ConfigMaps, { namespace });
    const query = { namespace, labelSelector: selector, resourceVersion, timeoutSeconds: timeoutMs / 1000 };
    const body = await parts.client.watch(ConfigMaps, query, stop.signal);
    let text = "";
    const ended = (async () => {
      for await (const chunk of body) text += chunk;
    })().then(
      () => "ended",
      () => "broken",
    );
    return { text: () => text, ended };
  }

  test("what no rule meets passes as it is, and is counted by what it asks for", async () => {
    proxy.forget();
    const created = await parts.client.create(ConfigMaps, draft(`${prefix}-plain`));
    await parts.client.delete(ConfigMaps, created.metadata);
    expect(proxy.requests()).toMatchObject(
      [
        { verb: "create", resource: "configmaps", namespace, status: 201, upstreamStatus: 201, userAgent: /^holdfast/ },
        { verb: "delete", name: `${prefix}-plain`, status: 200, done: true },
      ].map(({ userAgent, ...rest }) =>
        userAgent === undefined ? rest : { ...rest, userAgent: expect.stringMatching(userAgent) },
      ),
    );
  });

  test("an answer in the API server's place is a Status, with its Retry-After, for as many requests as were said", async () => {
    proxy.rule({ verb: "list" }, { answer: { status: 429, retryAfterSeconds: 7 } }, 1);
    const refused = parts.client.list(ConfigMaps, { namespace }, once);
    await expect(refused).rejects.toMatchObject({ code: "kube/too-many-requests", retryAfterMs: 7_000 });
    await parts.client.list(ConfigMaps, { namespace }, once);
  });

  test("a cut before is never written, a cut after is written though the client does not know", async () => {
    for (const cut of ["before", "after"] as const) {
      const name = `${prefix}-${cut}`;
      proxy.rule({ verb: "create", resource: "configmaps" }, { cut }, 1);
      const write = parts.client.create(ConfigMaps, draft(name), once);
      await expect(write).rejects.toMatchObject({ code: "kube/unreachable" });
      const found = (await kubectl(["get", "configmap", name, "--ignore-not-found", "-o", "name"])).trim();
      expect(found).toBe(cut === "after" ? `configmap/${name}` : "");
    }
  });

  test("a harness is called before the API server hears of a write and after it has done it, and holds the client up", async () => {
    const name = `${prefix}-moments`;
    const seen: string[] = [];
    const look = (moment: string) => async () => {
      seen.push(`${moment} ${(await kubectl(["get", "configmap", name, "--ignore-not-found", "-o", "name"])).trim()}`);
    };
    using _before = proxy.rule({ verb: "create" }, { before: look("before") });
    using after = proxy.rule({ verb: "create" }, { after: look("after") });
    await parts.client.create(ConfigMaps, draft(name), once);
    expect([seen, after.hits]).toEqual([["before ", `after configmap/${name}`], 1]);
  });

  test("a request that hangs gets nothing until its client gives up", async () => {
    using _rule = proxy.rule({ verb: "get" }, { hang: true });
    const call = parts.client.get(ConfigMaps, { namespace, name: "any" }, { ...once, timeoutMs: 300 });
    await expect(call).rejects.toMatchObject({ code: "kube/timeout" });
  });

  test("an open watch that is made silent loses its events and stays open", async () => {
    const label = `${prefix}-silent`;
    const { text } = await watching(`test=${label}`);
    using rule = proxy.rule({ verb: "watch" }, { silent: true });
    await parts.client.create(ConfigMaps, { metadata: { namespace, name: label, labels: { test: label } } });
    await expect.poll(() => rule.hits, WAIT).toBeGreaterThan(0);
    expect(text()).toBe("");
  });

  test.each(["end", "reset"] as const)("a watch is truncated in the middle of a line (%s)", async (truncate) => {
    const label = `${prefix}-truncate-${truncate}`;
    const { text, ended } = await watching(`test=${label}`);
    // Written past the proxy: over HTTP/2 the reset would meet this request as well.
    proxy.rule(
      { verb: "watch", url: proxy.requests().findLast(({ verb }) => verb === "watch")?.url ?? "" },
      { truncate },
      1,
    );
    await kubectl(
      ["create", "-f", "-"],
      JSON.stringify({ ...draft(label), metadata: { name: label, labels: { test: label } } }),
    );
    expect(await ended).toBe(truncate === "end" ? "ended" : "broken");
    if (truncate === "end") expect(text()).toMatch(/^\{"type":"ADDED"[^\n]+$/);
  });

  test("a line of any size comes before the next event", async () => {
    const label = `${prefix}-oversize`;
    const { text } = await watching(`test=${label}`);
    proxy.rule({ verb: "watch" }, { oversizeBytes: 100_000 }, 1);
    await parts.client.create(ConfigMaps, { metadata: { namespace, name: label, labels: { test: label } } });
    await expect.poll(() => text().slice(100_000, 100_020), WAIT).toContain('\n{"type":"ADDED"');
  });

  test("a slow answer comes whole", async () => {
    using _rule = proxy.rule({ verb: "get" }, { bytesPerSecond: 2_000 });
    const [passed] = [await parts.client.get(ConfigMaps, { namespace, name: "kube-root-ca.crt" })];
    expect(passed.data?.["ca.crt"]).toBe(cluster.ca);
  });
});

test("a stranger's token is refused, and a ServiceAccount's is its own identity at the API server", async () => {
  await using proxy = await FaultProxy.start({ cluster });
  const path = proxy.kubeconfig(await cluster.kubeconfigFor("jane"));
  const jane = await kubeParts(path);
  await expect(jane.client.list(ConfigMaps, { namespace }, once)).rejects.toThrow('User "jane" cannot list');
  await jane.client.close();
  const response = await fetch(`${proxy.url}/version`).catch((error: Error) => error.message);
  expect(response).toBe("fetch failed");
});
