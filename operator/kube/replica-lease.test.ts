import { expect, test } from "vitest";
import { ManualClock } from "#base/manual-clock.ts";
import { ReplicaLeases } from "./replica-lease.ts";
import type { Lease } from "./resource.ts";
import type { Change } from "./store.ts";

// How long replicas live, on a clock by hand. Real Leases: test/integration/kube-replica-lease.test.ts.

function start() {
  const clock = new ManualClock();
  let tell: (change: Change<Lease>) => void = () => {};
  const informer = {
    hasSynced: true,
    onChange(handler: typeof tell) {
      tell = handler;
      return () => {};
    },
  };
  const leases = new ReplicaLeases({ informer, clock });
  let version = 0;
  const renew = (name: string, annotations: Record<string, string> = {}) => {
    const metadata = { namespace: "n", name, uid: name, resourceVersion: String(++version), annotations };
    tell({ type: "added", object: { apiVersion: "", kind: "Lease", metadata, spec: { leaseDurationSeconds: 30 } } });
  };
  /** Lets time pass in which these renew every 10 s. */
  const live = async (seconds: number, ...names: string[]) => {
    for (let second = 10; second <= seconds; second += 10) {
      await clock.advance(10_000);
      for (const name of names) renew(name);
    }
  };
  return { clock, leases, renew, live };
}

test("a replica that stops renewing is expired 30 s after the last time, while another is heard", async () => {
  const { leases, live } = start();
  await live(60, "a", "b");
  await live(20, "a");
  expect(leases.state("b")).toBe("live");
  await live(10, "a");
  expect([leases.state("a"), leases.state("b"), leases.state("c")]).toEqual(["live", "expired", "gone"]);
});

test("after a long silence nobody is expired, whoever is heard of first", async () => {
  const { clock, leases, live, renew } = start();
  await live(30, "a", "b");
  await clock.advance(600_000);
  expect([leases.state("a"), leases.state("b")]).toEqual(["live", "live"]);
  renew("a");
  expect([leases.state("a"), leases.state("b")]).toEqual(["live", "live"]);
  await live(20, "a");
  renew("b");
  await live(20, "a", "b");
  expect([leases.state("a"), leases.state("b")]).toEqual(["live", "live"]);
});

test("a replica that died in the silence is expired 30 s after it", async () => {
  const { clock, leases, live, renew } = start();
  await live(30, "a", "b");
  await clock.advance(600_000);
  renew("a");
  await live(20, "a");
  expect(leases.state("b")).toBe("live");
  await live(10, "a");
  expect(leases.state("b")).toBe("expired");
});

test("a replica is at the address its Lease has now, where that is one", () => {
  const { leases, renew } = start();
  const at = (address?: string) => {
    renew("a", address === undefined ? {} : { "holdfast.dev/address": address });
    return leases.address("a");
  };
  expect(at("10.0.0.7:8443")).toBe("10.0.0.7:8443");
  expect(at()).toBeUndefined();
  expect(at("[fd00::7]:8443")).toBe("[fd00::7]:8443");
  expect(at("elsewhere/?x=:8443")).toBeUndefined();
});
