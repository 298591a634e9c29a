import { afterAll, expect, onTestFinished, test } from "vitest";
import { isNotFound } from "../../operator/kube/kube-error.ts";
import { REPLICA_LABEL, ReplicaLease, ReplicaLeases } from "../../operator/kube/replica-lease.ts";
import { Leases } from "../../operator/kube/resource.ts";
import { testNamespace } from "../namespace.ts";
import { informersOf, type KubeParts, kubeParts } from "./kube-parts.ts";
import { KubeProxy } from "./kube-proxy.ts";

const { cluster, namespace } = testNamespace();
const WAIT = { timeout: 30_000, interval: 20 };
const SHORT = { leaseMs: 2000, renewMs: 300 };
const admin = await kubeParts(cluster.kubeconfig);
afterAll(() => admin.client.close());

async function behind(proxy: KubeProxy | undefined): Promise<KubeParts> {
  const parts = await kubeParts(cluster.kubeconfig, proxy === undefined ? {} : { server: proxy.url });
  onTestFinished(() => parts.client.close());
  return parts;
}

/** A replica that renews its Lease. */
function replica(parts: KubeParts, identity: string) {
  const ended = new AbortController();
  const running = new ReplicaLease({ ...parts, namespace, identity, timing: SHORT }).run(ended.signal);
  const stop = async () => {
    ended.abort();
    await running;
  };
  onTestFinished(stop);
  return { stop };
}

/** What a replica sees of the others. */
function reader(parts: KubeParts) {
  const running = informersOf(parts, [namespace]);
  onTestFinished(() => running.stop());
  const informer = running.informers.of(Leases, { labelSelector: REPLICA_LABEL });
  const leases = new ReplicaLeases({ informer, clock: parts.clock, timing: SHORT });
  return { leases, start: running.start };
}

test("a replica is live while it renews, expired when it cannot, live again when it can, and gone when it stops", async () => {
  await using proxy = await KubeProxy.start(cluster.server);
  replica(admin, "stable-a");
  const { leases, start } = reader(await behind(undefined));
  expect(leases.state("stable-b")).toBe("unknown");
  start();
  await expect.poll(() => leases.state("stable-b"), WAIT).toBe("gone");
  const parts = await behind(proxy);
  const other = replica(parts, "stable-b");
  await expect.poll(() => leases.state("stable-b"), WAIT).toBe("live");
  proxy.refuse();
  await expect.poll(() => leases.state("stable-b"), WAIT).toBe("expired");
  expect(leases.state("stable-a")).toBe("live");
  proxy.forward();
  await expect.poll(() => leases.state("stable-b"), WAIT).toBe("live");
  // A slow answer does not keep the Lease of a replica that stops.
  proxy.latencyMs = 100;
  await other.stop();
  expect(parts.lines.filter(({ message }) => message.includes("not deleted"))).toEqual([]);
  await expect.poll(() => leases.state("stable-b"), WAIT).toBe("gone");
  const read = admin.client.get(Leases, { namespace, name: "stable-b" });
  expect(isNotFound(await read.catch((error: unknown) => error))).toBe(true);
});

test("who cannot hear of renewals calls nobody expired, neither then nor when it hears again", async () => {
  await using proxy = await KubeProxy.start(cluster.server);
  const deaf = await behind(proxy);
  replica(admin, "deaf-a");
  replica(deaf, "deaf-b");
  const { leases, start } = reader(deaf);
  start();
  await expect.poll(() => [leases.state("deaf-a"), leases.state("deaf-b")], WAIT).toEqual(["live", "live"]);
  const states = new Set<string>();
  const watching = setInterval(() => {
    for (const identity of ["deaf-a", "deaf-b"]) states.add(leases.state(identity));
  }, 5);
  onTestFinished(() => clearInterval(watching));
  const since = async () => (await admin.client.get(Leases, { namespace, name: "deaf-a" })).spec?.renewTime ?? "";
  for (const silence of [() => proxy.refuse(), () => proxy.hang()]) {
    silence();
    const from = Date.parse(await since());
    // Three durations of the lease, counted by the replica that goes on renewing.
    await expect.poll(async () => Date.parse(await since()) - from, WAIT).toBeGreaterThan(3 * SHORT.leaseMs);
    proxy.forward();
    proxy.cut();
    const renewed = async () => (await admin.client.get(Leases, { namespace, name: "deaf-b" })).spec?.renewTime ?? "";
    const back = Date.now();
    await expect.poll(async () => Date.parse(await renewed()), WAIT).toBeGreaterThan(back);
  }
  expect(states).toEqual(new Set(["live"]));
});

test("a replica that never heard of its Lease deletes it all the same when it stops", async () => {
  await using proxy = await KubeProxy.start(cluster.server);
  const parts = await behind(proxy);
  const read = () =>
    admin.client.get(Leases, { namespace, name: "unheard-a" }).then(
      () => true,
      () => false,
    );
  await parts.client.list(Leases, { namespace });
  // The connection is there; it stops before the answer to the creation has come.
  proxy.latencyMs = 250;
  const deaf = replica(parts, "unheard-a");
  await expect.poll(read, WAIT).toBe(true);
  await deaf.stop();
  expect(await read()).toBe(false);
});

test("a Lease that somebody deleted is there again at the next renewal", async () => {
  replica(admin, "deleted-a");
  const read = () =>
    admin.client.get(Leases, { namespace, name: "deleted-a" }).then(
      ({ metadata }) => metadata.uid,
      () => "",
    );
  await expect.poll(read, WAIT).not.toBe("");
  const uid = await read();
  await admin.client.delete(Leases, { namespace, name: "deleted-a" });
  await expect.poll(async () => ["", uid].includes(await read()), WAIT).toBe(false);
});
