import { expect, test } from "vitest";
import { ConfigMaps, Events, holdfast, keyOf, Leases, Namespaces, ownerReference, pathOf, refOf } from "./resource.ts";

const Hosts = holdfast("Host", "hosts");

test.each([
  [pathOf(ConfigMaps, undefined), "/api/v1/configmaps"],
  [pathOf(ConfigMaps, "n"), "/api/v1/namespaces/n/configmaps"],
  [pathOf(Hosts, "n", "a", "status"), "/apis/holdfast.dev/v1alpha1/namespaces/n/hosts/a/status"],
  [pathOf(Leases, "n", "a"), "/apis/coordination.k8s.io/v1/namespaces/n/leases/a"],
  [pathOf(Events, "n"), "/apis/events.k8s.io/v1/namespaces/n/events"],
  [pathOf(Namespaces, undefined, "a"), "/api/v1/namespaces/a"],
  [pathOf(Namespaces, "ignored", "a"), "/api/v1/namespaces/a"],
  [pathOf(ConfigMaps, "../x", "a/b?c"), "/api/v1/namespaces/..%2Fx/configmaps/a%2Fb%3Fc"],
])("%s", (path, want) => expect(path).toBe(want));

test("a key is a reference and back", () => {
  for (const ref of [{ namespace: "n", name: "a.b" }, { name: "a" }])
    expect(refOf(keyOf({ metadata: ref }))).toEqual(ref);
  expect(keyOf({ metadata: { namespace: "n", name: "a" } })).toBe("n/a");
});

test("an owner reference names version, kind and uid of the one controlling owner", () => {
  const metadata = { name: "a", namespace: "n", uid: "u", resourceVersion: "1" };
  expect(ownerReference(Hosts, { apiVersion: "", kind: "", metadata })).toEqual({
    apiVersion: "holdfast.dev/v1alpha1",
    kind: "Host",
    name: "a",
    uid: "u",
    controller: true,
    blockOwnerDeletion: false,
  });
});
