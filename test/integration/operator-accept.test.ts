import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { agentFacts, helloFrame } from "#protocol/fixtures.ts";
import { openCaches } from "../../operator/controllers/caches.ts";
import { Hosts } from "../../operator/controllers/kinds.ts";
import type { OpenRequest } from "../../operator/hub/ports.ts";
import { HostSessions } from "../../operator/hub/session-store.ts";
import type { Client } from "../../operator/kube/client.ts";
import { testNamespace } from "../namespace.ts";
import { informersOf, type KubeParts, kubeParts } from "./kube-parts.ts";
import { KubeProxy } from "./kube-proxy.ts";

const at = testNamespace();
let direct: KubeParts;
let caches: ReturnType<typeof openCaches>;
let stop: () => Promise<void>;

beforeAll(async () => {
  direct = await kubeParts(at.cluster.kubeconfig);
  const running = informersOf(direct, [at.namespace]);
  caches = openCaches(running.informers);
  running.start();
  await running.informers.synced();
  stop = running.stop;
});

afterAll(() => stop?.());

function sessionsOf(replica: string, client: Client): HostSessions {
  return new HostSessions({
    ...direct,
    client,
    caches,
    leases: { state: () => "live" },
    events: { record() {} },
    replica,
    clusterID: "cluster",
    isHere: () => true,
    desiredConfig: () => undefined,
  });
}

/** A replica whose way to the API server a test can disturb. */
async function behindProxy(): Promise<{ proxy: KubeProxy; sessions: HostSessions }> {
  const proxy = await KubeProxy.start(direct.server.href);
  const parts = await kubeParts(at.cluster.kubeconfig, { server: proxy.url });
  onTestFinished(async () => {
    await parts.client.close();
    await proxy[Symbol.asyncDispose]();
  });
  return { proxy, sessions: sessionsOf("far", parts.client) };
}

async function hostNamed(name: string): Promise<OpenRequest["host"]> {
  const { namespace } = at;
  const { metadata } = await direct.client.create(Hosts, { metadata: { namespace, name }, spec: {} });
  await expect.poll(() => caches.hosts.get({ namespace, name })).toBeDefined();
  return { namespace, name, uid: metadata.uid };
}

function request(host: OpenRequest["host"], receivedAt: number): OpenRequest {
  const hello = helloFrame({ hostUID: host.uid, agent: agentFacts({ hostname: host.name }) });
  const facts = { clock: { skewMs: 0, state: "in-sync" as const } };
  return { host, stillHolds: async () => true, hello, receivedAt, facts };
}

const session = async (name: string) =>
  (await direct.client.get(Hosts, { namespace: at.namespace, name })).status?.session;

test("a hello that waited for the API server while a later one was accepted elsewhere gives way to that", async () => {
  const { proxy, sessions } = await behindProxy();
  const host = await hostNamed("overtaken");
  const never = new AbortController().signal;
  proxy.hang();
  const now = Date.now();
  const first = sessions.open(request(host, now - 5_000), never);
  await direct.clock.sleep(1_100);
  const second = await sessionsOf("near", direct.client).open(request(host, now), never);
  expect(second).toMatchObject({ epoch: 1 });
  proxy.forward();
  proxy.cut();
  expect(await first).toMatchObject({ refused: { code: "superseded" } });
  expect(await session("overtaken")).toMatchObject({ epoch: 1, replica: "near" });
});

test("a session the API server has accepted is known here, also when its socket went away before the answer came", async () => {
  const { proxy, sessions } = await behindProxy();
  const host = await hostNamed("gone-again");
  const gone = new AbortController();
  proxy.latencyMs = 500;
  const opening = sessions.open(request(host, Date.now()), gone.signal);
  await expect.poll(() => session("gone-again"), { timeout: 30_000, interval: 20 }).toMatchObject({ epoch: 1 });
  gone.abort(new Error("agent connection closed"));
  expect(await opening).toMatchObject({ epoch: 1 });
});
