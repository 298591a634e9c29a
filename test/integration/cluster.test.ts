import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmdirSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { systemClock } from "#base/clock.ts";
import { type Cluster, startCluster } from "../../hack/cluster/cluster.ts";
import { kubectl } from "../../hack/cluster/kubectl.ts";
import { findClusters, sweep } from "../../hack/cluster/leftovers.ts";
import { serversOf } from "../../hack/cluster/process-table.ts";
import { testNamespace } from "../namespace.ts";

const GONE = { timeout: 20_000, interval: 50 };

describe("a control plane beside that of the test run", () => {
  const shared = testNamespace();
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await startCluster({ report: (line) => console.error(line) });
  });
  afterAll(() => cluster.stop());

  test("serves another API server than the one that runs already", async () => {
    await kubectl(cluster, ["create", "configmap", "mine", "--from-literal=a=b"]);
    expect(cluster.server).not.toBe(shared.cluster.server);
    await expect(kubectl(shared.cluster, ["get", "configmap", "mine"])).rejects.toThrow(/not found/);
  });

  test("is open to this user only", () => {
    expect(statSync(cluster.directory).mode & 0o777).toBe(0o700);
    expect(statSync(cluster.kubeconfig).mode & 0o777).toBe(0o600);
  });

  test("deletes what a deleted owner owned, and ServiceAccounts get tokens", async () => {
    await kubectl(cluster, ["create", "configmap", "owner"]);
    const uid = await kubectl(cluster, ["get", "configmap", "owner", "-o", "jsonpath={.metadata.uid}"]);
    const ownerReferences = [{ apiVersion: "v1", kind: "ConfigMap", name: "owner", uid }];
    const owned = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "owned", ownerReferences } };
    await kubectl(cluster, ["create", "-f", "-"], JSON.stringify(owned));
    await kubectl(cluster, ["delete", "configmap", "owner"]);
    await kubectl(cluster, ["wait", "--for=delete", "configmap/owned", "--timeout=60s"]);
    expect(await kubectl(cluster, ["create", "token", "default"])).toMatch(/^ey/);
  });

  test("knows a user and their groups by a client certificate, and RBAC holds", async () => {
    const KUBECONFIG = await cluster.kubeconfigFor("jane@example.org", ["team, a", "holdfast:viewers"]);
    const jane = { ...cluster, environment: { ...cluster.environment, KUBECONFIG } };
    const whoami = JSON.parse(await kubectl(jane, ["auth", "whoami", "-o", "json"]));
    expect(whoami.status.userInfo.username).toBe("jane@example.org");
    expect(whoami.status.userInfo.groups).toEqual(["team, a", "holdfast:viewers", "system:authenticated"]);
    await expect(kubectl(jane, ["get", "secrets"])).rejects.toThrow(
      /User "jane@example.org" cannot list resource "secrets"/,
    );
    await kubectl(cluster, ["create", "rolebinding", "v", "--clusterrole=view", "--group=holdfast:viewers"]);
    await vi.waitFor(() => kubectl(jane, ["get", "configmaps"]), GONE);
  });

  test("writes every request to the audit log, without bodies", async () => {
    await kubectl(cluster, ["create", "secret", "generic", "audited", "--from-literal=key=hunter2"]);
    const lines = readFileSync(cluster.auditLog, "utf8").trimEnd().split("\n");
    const writes = lines
      .map((line) => JSON.parse(line))
      .filter(({ verb, objectRef }) => verb === "create" && objectRef?.name === "audited");
    expect(writes).toMatchObject([
      { level: "Metadata", stage: "ResponseComplete", responseStatus: { code: 201 }, user: { username: "admin" } },
    ]);
    expect(lines.join("")).not.toContain("hunter2");
  });

  test("forgets old list positions after a compaction, like a real one after five minutes", async () => {
    for (const name of ["one", "two", "three"]) await kubectl(cluster, ["create", "configmap", name]);
    const page = JSON.parse(await kubectl(cluster, ["get", "--raw", "/api/v1/configmaps?limit=1"]));
    await kubectl(cluster, ["delete", "configmap", "one"]);
    expect(await cluster.compactEtcd()).toBeGreaterThan(Number(page.metadata.resourceVersion));
    const next = `/api/v1/configmaps?limit=1&continue=${page.metadata.continue}`;
    await vi.waitFor(() => expect(kubectl(cluster, ["get", "--raw", next])).rejects.toThrow(/too old|Expired/), GONE);
  });

  test.each(["SIGTERM", "SIGKILL"] as const)(
    "comes back where it was after its API server ended by %s",
    async (signal) => {
      await kubectl(cluster, ["create", "configmap", `kept-${signal.toLowerCase()}`]);
      await cluster.stopApiServer(signal);
      await expect(kubectl(cluster, ["get", "configmaps"])).rejects.toThrow(/refused/);
      await cluster.startApiServer();
      await kubectl(cluster, ["get", "configmap", `kept-${signal.toLowerCase()}`]);
      expect(serversOf(cluster.directory)).toHaveLength(3);
    },
  );

  test("comes back with its data after etcd was killed, and after a server was frozen", async () => {
    await kubectl(cluster, ["create", "configmap", "kept-by-etcd"]);
    await cluster.stopEtcd("SIGKILL");
    await cluster.startEtcd();
    await vi.waitFor(() => kubectl(cluster, ["get", "configmap", "kept-by-etcd"]), GONE);
    for (const server of ["etcd", "kube-apiserver"] as const) {
      await cluster.signal(server, "SIGSTOP");
      const frozen = ["get", "--raw", "/readyz", "--request-timeout=1s"];
      await expect(kubectl(cluster, frozen)).rejects.toThrow();
      await cluster.signal(server, "SIGCONT");
      await vi.waitFor(() => kubectl(cluster, frozen), GONE);
    }
    await expect(cluster.startEtcd()).rejects.toThrow("etcd runs already");
  });

  test("refuses to start an API server that runs, or to stop one that does not", async () => {
    await expect(cluster.startApiServer()).rejects.toThrow("the API server runs already");
    await cluster.stopApiServer();
    await expect(cluster.stopApiServer()).rejects.toThrow("the API server does not run");
    await cluster.startApiServer();
  });
});

test("stop leaves no process and no folder", async () => {
  const cluster = await startCluster({ report: (line) => console.error(line) });
  expect(serversOf(cluster.directory)).toHaveLength(3);
  await cluster.stop();
  expect(serversOf(cluster.directory)).toEqual([]);
  expect(existsSync(cluster.directory)).toBe(false);
  await expect(cluster.startApiServer()).rejects.toThrow("not up any more");
});

describe("an owner that is killed", () => {
  let temporary: string;

  // A folder of its own: other tests start control planes at the same time, and each start sweeps.
  beforeEach(() => {
    temporary = mkdtempSync(`${tmpdir()}/holdfast-owner-`);
    vi.stubEnv("TMPDIR", temporary);
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmdirSync(temporary);
  });

  test("with kill -9 leaves no process and no folder", async () => {
    const { owner, directory } = await startOwner();
    const { supervisor } = findClusters().find((cluster) => cluster.directory === directory)!;
    await kill(owner);
    await vi.waitFor(() => {
      expect(existsSync(directory)).toBe(false);
      expect(serversOf(directory)).toEqual([]);
      expect(existsSync(`/proc/${supervisor}`)).toBe(false);
    }, GONE);
  });

  test("while the servers start leaves no process and no folder", async () => {
    const owner = spawnOwner();
    const started = await vi.waitFor(() => {
      const [found] = findClusters();
      expect(serversOf(found?.directory ?? "none").length).toBeGreaterThan(0);
      return found!;
    }, GONE);
    await kill(owner);
    await vi.waitFor(() => {
      expect(existsSync(started.directory)).toBe(false);
      expect(serversOf(started.directory)).toEqual([]);
    }, GONE);
  });

  test("together with its supervisor leaves what the next sweep removes, which spares one that lives", async () => {
    const { owner, directory } = await startOwner();
    const { supervisor } = findClusters().find((cluster) => cluster.directory === directory)!;
    expect(await sweep(systemClock)).toEqual([]);
    expect(serversOf(directory)).toHaveLength(3);
    process.kill(supervisor, "SIGKILL");
    await vi.waitFor(() => expect(findClusters()).toContainEqual({ directory, supervisor, alive: false }), GONE);
    expect(serversOf(directory)).toHaveLength(3);
    expect(await sweep(systemClock)).toEqual([directory]);
    expect(serversOf(directory)).toEqual([]);
    expect(existsSync(directory)).toBe(false);
    await kill(owner);
  });
});

function spawnOwner(): ChildProcess & { stdout: NodeJS.ReadableStream } {
  const script = fileURLToPath(new URL("cluster-owner.ts", import.meta.url));
  const owner = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => {
    owner.kill("SIGKILL");
  });
  return owner;
}

async function startOwner(): Promise<{ owner: ChildProcess; directory: string }> {
  const owner = spawnOwner();
  const [directory] = (await once(createInterface(owner.stdout), "line")) as [string];
  return { owner, directory };
}

async function kill(owner: ChildProcess): Promise<void> {
  const exit = once(owner, "exit");
  owner.kill("SIGKILL");
  await exit;
}
