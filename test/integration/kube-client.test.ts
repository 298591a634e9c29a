import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "#base/clock.ts";
import { HttpClient } from "../../operator/kube/client.ts";
import { inCluster } from "../../operator/kube/connection.ts";
import {
  isAlreadyExists,
  isConflict,
  isForbidden,
  isInvalid,
  isNotFound,
  isTransient,
} from "../../operator/kube/kube-error.ts";
import { type ConfigMap, ConfigMaps, holdfast, Secrets } from "../../operator/kube/resource.ts";
import { testNamespace } from "../namespace.ts";
import { type KubeParts, kubeParts } from "./kube-parts.ts";
import { KubeProxy } from "./kube-proxy.ts";

const { cluster, namespace, kubectl } = testNamespace();
let parts: KubeParts;
let client: HttpClient;
beforeAll(async () => {
  parts = await kubeParts(cluster.kubeconfig);
  client = parts.client;
});
afterAll(() => client.close());

const draft = (name: string, data: Record<string, string> = {}) => ({ metadata: { namespace, name }, data });
const caught = (promise: Promise<unknown>) => promise.then(() => undefined).catch((error: unknown) => error);

test("an object is created, read, replaced, patched and deleted", async () => {
  const ref = { namespace, name: "life" };
  const created = await client.create(ConfigMaps, draft("life", { a: "1" }));
  expect(created).toMatchObject({ apiVersion: "v1", kind: "ConfigMap", metadata: ref, data: { a: "1" } });
  expect(await client.get(ConfigMaps, ref)).toEqual(created);
  const updated = await client.update(ConfigMaps, { ...created, data: { b: "2" } });
  expect(updated.data).toEqual({ b: "2" });
  const patched = await client.patch(ConfigMaps, ref, { data: { b: null, c: "3" } });
  expect(patched.data).toEqual({ c: "3" });
  await client.delete(ConfigMaps, ref, { uid: created.metadata.uid });
  expect(isNotFound(await caught(client.get(ConfigMaps, ref)))).toBe(true);
});

test("what the API server refuses is an error of its own kind", async () => {
  const created = await client.create(ConfigMaps, draft("refused"));
  await client.patch(ConfigMaps, created.metadata, { data: { a: "1" } });
  expect(isAlreadyExists(await caught(client.create(ConfigMaps, draft("refused"))))).toBe(true);
  expect(isConflict(await caught(client.update(ConfigMaps, created)))).toBe(true);
  expect(isInvalid(await caught(client.create(ConfigMaps, draft("Not A Name"))))).toBe(true);
  const another = "00000000-0000-0000-0000-000000000000";
  expect(isConflict(await caught(client.delete(ConfigMaps, created.metadata, { uid: another })))).toBe(true);
  const jane = await kubeParts(await cluster.kubeconfigFor("jane"));
  const forbidden = await caught(jane.client.get(Secrets, { namespace, name: "a" }));
  await jane.client.close();
  expect(isForbidden(forbidden)).toBe(true);
  expect((forbidden as Error).message).toContain('User "jane" cannot get resource "secrets"');
});

test("of a kind that is not served nothing is said to be missing", async () => {
  const gone = holdfast("Gone", "gones");
  const error = await caught(client.get(gone, { namespace, name: "a" }));
  expect([isNotFound(error), isTransient(error)]).toEqual([false, true]);
});

test("an invalid Secret is refused without its value in the error", async () => {
  const secret = {
    metadata: { namespace, name: "s" },
    type: "kubernetes.io/tls",
    stringData: { "bad key!": "hunter2" },
  };
  const error = (await caught(client.create(Secrets, secret))) as Error;
  expect(isInvalid(error)).toBe(true);
  expect(`${error.message}${error.stack}${error.cause}`).not.toMatch(/hunter2|bad key/);
});

test("an apply owns what it names and takes away what it no longer names; others' fields stay", async () => {
  await client.create(ConfigMaps, draft("applied", { theirs: "x" }));
  const apply = (data: Record<string, string>) =>
    client.apply<ConfigMap>(ConfigMaps, draft("applied", data), { manager: "holdfast-test" });
  expect((await apply({ a: "1", b: "2" })).data).toEqual({ theirs: "x", a: "1", b: "2" });
  expect((await apply({ b: "3" })).data).toEqual({ theirs: "x", b: "3" });
  const managers = await kubectl([
    "get",
    "cm",
    "applied",
    "--show-managed-fields",
    "-o",
    "jsonpath={.metadata.managedFields[*].manager}",
  ]);
  expect(managers.trim().split(" ").sort()).toEqual(["holdfast", "holdfast-test"]);
});

test("300 requests in a row, of every verb, use at most two connections", async () => {
  await using proxy = await KubeProxy.start(cluster.server);
  const { client } = await kubeParts(cluster.kubeconfig, { server: proxy.url });
  for (let round = 0; round < 60; round++) {
    const created = await client.create(ConfigMaps, draft(`row-${round}`));
    await client.get(ConfigMaps, created.metadata);
    await client.patch(ConfigMaps, created.metadata, { data: { a: "1" } });
    await client.apply(ConfigMaps, draft(`row-${round}`, { a: "2" }), { manager: "m" });
    await client.delete(ConfigMaps, created.metadata);
  }
  await client.close();
  expect(proxy.connections).toBeLessThanOrEqual(2);
});

test("a list of more than a page comes in pages of one moment, complete and without doubles", async () => {
  const label = { labels: { paged: "yes" } };
  const create = (index: number) =>
    client.create(ConfigMaps, { metadata: { namespace, name: `page-${index}`, ...label } });
  await Promise.all(Array.from({ length: 1003 }, (_, index) => create(index)));
  const sizes: number[] = [];
  const names = new Set<string>();
  const versions = new Set<string>();
  let next: string | undefined;
  do {
    const page = await client.list(ConfigMaps, { namespace, labelSelector: "paged=yes", continue: next });
    sizes.push(page.items.length);
    versions.add(page.resourceVersion);
    for (const item of page.items) names.add(`${item.apiVersion}/${item.kind}/${item.metadata.name}`);
    // What is created after the first page does not appear on the others.
    if (next === undefined) await create(9999);
    next = page.continue;
  } while (next !== undefined);
  expect([sizes, names.size, versions.size]).toEqual([[500, 500, 3], 1003, 1]);
  expect(names.has("v1/ConfigMap/page-1002")).toBe(true);
});

test("a pod's token is used, and one that was rotated is picked up without an error", async () => {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-serviceaccount-"));
  await writeFile(join(folder, "ca.crt"), cluster.ca);
  await kubectl(["create", "serviceaccount", "robot"]);
  await kubectl(["create", "rolebinding", "robot", "--clusterrole=view", `--serviceaccount=${namespace}:robot`]);
  const token = async () => writeFile(join(folder, "token"), await kubectl(["create", "token", "robot"]));
  const { hostname, port } = new URL(cluster.server);
  const env = { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port };
  const robot = new HttpClient({
    ...parts,
    connection: inCluster(env, systemClock, folder),
    userAgent: "holdfast/0.0.0",
  });
  try {
    await writeFile(join(folder, "token"), "a token that has run out");
    await expect(robot.list(ConfigMaps, { namespace })).rejects.toMatchObject({ code: "kube/unauthorized" });
    await token();
    await robot.list(ConfigMaps, { namespace });
  } finally {
    await robot.close();
    await rm(folder, { recursive: true });
  }
});
