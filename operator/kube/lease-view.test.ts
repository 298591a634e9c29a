import { expect, test } from "vitest";
import { LeaseView } from "./lease-view.ts";
import type { Lease } from "./resource.ts";

/** Written by a machine whose clock is an hour behind: what it says of time must not matter. */
const lease = (version: string, seconds = 15): Lease => ({
  apiVersion: "coordination.k8s.io/v1",
  kind: "Lease",
  metadata: { name: "l", namespace: "n", uid: "u", resourceVersion: version },
  spec: { holderIdentity: "a", leaseDurationSeconds: seconds, renewTime: "2020-01-01T00:00:00.000000Z" },
});

test("a lease lives its duration from when its present state was first seen here", () => {
  const view = new LeaseView();
  view.see(lease("1"), 1000);
  view.see(lease("1"), 9000);
  expect([view.aliveAt(15_999), view.aliveAt(16_000)]).toEqual([true, false]);
  view.see(lease("2"), 20_000);
  expect([view.aliveAt(34_999), view.aliveAt(35_000)]).toEqual([true, false]);
});

test("time in which a renewal could not be heard does not count", () => {
  const view = new LeaseView();
  view.see(lease("1"), 0);
  expect([view.aliveAt(60_000, 50_000), view.aliveAt(65_000, 50_000)]).toEqual([true, false]);
});

test("a released lease, one second long, is over after that second", () => {
  const view = new LeaseView();
  view.see(lease("1", 1), 0);
  expect([view.aliveAt(999), view.aliveAt(1000)]).toEqual([true, false]);
});
