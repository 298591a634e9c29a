import { expect, test, vi } from "vitest";
import { Hosts } from "../../operator/controllers/kinds.ts";
import { findCondition } from "../../operator/kube/conditions.ts";
import { isNotFound } from "../../operator/kube/kube-error.ts";
import { REPLICA_LABEL } from "../../operator/kube/replica-lease.ts";
import { Leases } from "../../operator/kube/resource.ts";
import { controllersWorld, expectReady } from "./controllers-world.ts";

// The grace of 90 s takes three.
const world = controllersWorld({ pace: 30 });

/** A Lease as the replica of this name renews it. */
async function lease(name: string, leaseDurationSeconds: number): Promise<void> {
  const renewTime = new Date().toISOString().replace("Z", "000Z");
  await world.its().client.create(Leases, {
    metadata: { namespace: world.namespace, name, labels: { [REPLICA_LABEL]: "true" } },
    spec: { holderIdentity: name, leaseDurationSeconds, acquireTime: renewTime, renewTime },
  });
}

test("the hosts of a replica without a Lease are Unknown after the grace, those of a live one stay", async () => {
  await lease("op-live", 3600);
  for (const name of ["dead-1", "dead-2", "live-1"]) await world.create(Hosts, name, {});
  await world.connect("dead-1", "True", "op-dead");
  await world.connect("dead-2", "True", "op-dead");
  await world.connect("live-1", "True", "op-live");
  for (const name of ["dead-1", "dead-2"]) {
    const host = await world.until(Hosts, name, (object) => expectReady(object, "False", "ReplicaGone"), 30_000);
    expect(findCondition(host.status?.conditions, "Connected")).toMatchObject({
      status: "Unknown",
      reason: "ReplicaGone",
    });
    expect(host.status?.session).toMatchObject({ epoch: 1, replica: "op-dead" });
    expect(host.status?.session?.disconnectedTime).toBeDefined();
  }
  expectReady(await world.get(Hosts, "live-1"), "True", "Connected");
});

test("the Lease of a replica that was killed goes when it has run out, that of a live one stays", async () => {
  await lease("op-killed", 1);
  await vi.waitFor(
    async () => {
      // A living replica renews its own all the time; without a word of anybody's, no Lease is taken for expired.
      const alive = await world.get(Leases, "op-live");
      const renewTime = new Date().toISOString().replace("Z", "000Z");
      await world.its().client.update(Leases, { ...alive, spec: { ...alive.spec, renewTime } });
      await expect(world.get(Leases, "op-killed")).rejects.toSatisfy(isNotFound);
    },
    { timeout: 30_000, interval: 200 },
  );
  expect((await world.get(Leases, "op-live")).spec?.holderIdentity).toBe("op-live");
});
