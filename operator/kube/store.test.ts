import { expect, test } from "vitest";
import type { KubeObject } from "./resource.ts";
import { Store } from "./store.ts";

type Run = KubeObject & { spec: { host: string; tags: string[] } };
const run = (name: string, host: string, version = "1", uid = name): Run => ({
  apiVersion: "v1",
  kind: "Run",
  metadata: { namespace: "n", name, uid, resourceVersion: version },
  spec: { host, tags: [] },
});
const names = (runs: readonly Run[]) => runs.map(({ metadata }) => metadata.name);

test("an index follows every change, and one made later knows what was there", () => {
  const store = new Store<Run>();
  const byHost = store.index("host", ({ spec }) => [spec.host]);
  store.set(run("a", "x"));
  store.set(run("b", "x"));
  store.set(run("c", "y"));
  expect([names(byHost("x")), names(byHost("y")), names(byHost("z"))]).toEqual([["a", "b"], ["c"], []]);
  store.set(run("a", "y", "2"));
  store.delete("n/c");
  const later = store.index("later", ({ spec }) => [spec.host, "all"]);
  expect([names(byHost("x")), names(byHost("y")), names(later("all"))]).toEqual([["b"], ["a"], ["a", "b"]]);
});

test("an index asked for again by its name is the first one", () => {
  const store = new Store<Run>();
  store.set(run("a", "x"));
  store.index("host", ({ spec }) => [spec.host]);
  expect(names(store.index("host", () => [])("x"))).toEqual(["a"]);
});

test("objects are listed by namespace or all", () => {
  const store = new Store<Run>();
  store.set(run("a", "x"));
  store.set({ ...run("b", "x"), metadata: { ...run("b", "x").metadata, namespace: "m" } });
  expect([names(store.list()), names(store.list("m")), names(store.list("none"))]).toEqual([["a", "b"], ["b"], []]);
});

test("changes carry the old and the new state; the same version again is no change", () => {
  const store = new Store<Run>();
  const [first, second] = [run("a", "x"), run("a", "x", "2")];
  expect(store.set(first)).toEqual([{ type: "added", object: first }]);
  expect(store.set(run("a", "x"))).toEqual([]);
  expect(store.set(second)).toEqual([{ type: "updated", object: second, old: first }]);
  expect(store.delete("n/a")).toEqual([{ type: "deleted", object: second }]);
  expect(store.delete("n/a")).toEqual([]);
});

test("an object created again under its name is a deletion and an addition", () => {
  const store = new Store<Run>();
  store.set(run("a", "x", "1", "first"));
  expect(store.set(run("a", "x", "2", "second")).map(({ type }) => type)).toEqual(["deleted", "added"]);
});

test("what is in the store cannot be changed, at any depth", () => {
  const store = new Store<Run>();
  store.set(run("a", "x"));
  const held = store.get("n/a") as Run;
  expect(() => held.spec.tags.push("t")).toThrow(TypeError);
  expect(() => Object.assign(held.spec, { host: "y" })).toThrow(TypeError);
});
