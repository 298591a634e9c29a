import { expect, test } from "vitest";
import { Hosts } from "../../operator/controllers/kinds.ts";
import { findCondition } from "../../operator/kube/conditions.ts";
import { REPLICA_LABEL } from "../../operator/kube/replica-lease.ts";
import { Leases } from "../../operator/kube/resource.ts";
import { controllersWorld, expectReady } from "./controllers-world.ts";

// The grace of 90 s takes three.
const world = controllersWorld({ pace: 30 });

test("the hosts of a replica without a Lease are Unknown after the grace, those of a live one stay", async () => {
  const renewTime = new Date().toISOString().replace("Z", "000Z");
  await world.its().client.create(Leases, {
    metadata: { namespace: world.namespace, name: "op-live", labels: { [REPLICA_LABEL]: "true" } },
    spec: { holderIdentity: "op-live", leaseDurationSeconds: 3600, acquireTime: renewTime, renewTime },
  });
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
