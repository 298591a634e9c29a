import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import WebSocket from "ws";
import { type Cluster, startCluster } from "../../hack/cluster/cluster.ts";
import { applyCRDs } from "../../hack/cluster/crds.ts";
import { kubectl } from "../../hack/cluster/kubectl.ts";
import { Controller, watch } from "../../operator/kube/controller.ts";
import { isAlreadyExists } from "../../operator/kube/kube-error.ts";
import { ConfigMaps, refOf } from "../../operator/kube/resource.ts";
import { informersOf, kubeParts } from "../integration/kube-parts.ts";
import { RawAgents } from "../integration/operator-agents.ts";
import { createToken } from "../integration/operator-http.ts";
import { type OperatorProcess, startOperator, until } from "../integration/operator-process.ts";
import { inNamespace, type TestNamespace } from "../namespace.ts";

// A control plane of its own: its API server is killed, its CRDs are deleted.
let cluster: Cluster;
let operator: OperatorProcess;
let team: TestNamespace;
let agents: RawAgents;
const watched = fileURLToPath(new URL("../../charts/holdfast/rbac/watched", import.meta.url));
const WAIT = { timeout: 60_000, interval: 50 };

async function createTeam() {
  await kubectl(cluster, ["create", "namespace", "team"]);
  await team.kubectl(["apply", "-f", watched]);
}

beforeAll(async () => {
  cluster = await startCluster({ report: () => {} });
  await applyCRDs(cluster);
  team = inNamespace(cluster, "team");
  await kubectl(cluster, ["create", "namespace", "holdfast"]);
  await createTeam();
  operator = await startOperator(cluster, "holdfast", { HOLDFAST_WATCH_NAMESPACES: "team" });
  agents = new RawAgents(team, () => operator);
});
afterAll(async () => {
  agents?.cut();
  await operator?.stop("SIGKILL");
  await cluster?.stop();
});

const judged = (name: string) =>
  until(`BackupRun ${name} to be judged`, async () => {
    const { status } = await team.get("backuprun", name);
    return status?.conditions?.length > 0 || (status?.reason ?? "") !== "" ? true : undefined;
  });

const RUNS = ["backupruns.holdfast.dev", "restores.holdfast.dev"];

test("kinds that are gone leave the rest of the operator at work, and are served again without a restart once they are back", async () => {
  const { agent } = await agents.session(await agents.enrol("web-1"));
  await team.create("BackupRun", "before", { policyRef: "none", hostRef: "web-1" });
  await judged("before");
  await kubectl(cluster, ["delete", "crd", ...RUNS]);
  await until("the operator to miss its kinds", () => {
    const missed = ["backupruns", "restores"].every((kind) => operator.log().includes(`watch ${kind} in team: 404`));
    return missed ? true : undefined;
  });
  await createToken(team, "meanwhile");
  await applyCRDs(cluster);
  await team.create("BackupRun", "after", { policyRef: "none", hostRef: "web-1" });
  await judged("after");
  expect(agent.socket.readyState).toBe(WebSocket.OPEN);
});

test("an operator that starts while a kind is gone serves nobody, says what it misses, and begins once it is back", async () => {
  await operator.stop();
  await kubectl(cluster, ["delete", "crd", ...RUNS]);
  const from = operator.log().length;
  const started = operator.start();
  const since = () => operator.log().slice(from);
  await until("the operator to say what it misses", () => (/list restores team: 404/.test(since()) ? true : undefined));
  expect(since()).not.toContain('"serving"');
  await applyCRDs(cluster);
  await started;
  expect(since()).toContain('"serving"');
});

test("a namespace deleted while the operator is down goes away whole, and nothing of it comes back with the operator", async () => {
  const host = await agents.enrol("db-1");
  const { agent } = await agents.session(host);
  await team.create("BackupRun", "open", { policyRef: "none", hostRef: "db-1" });
  await judged("open");
  await operator.stop();
  agent.socket.terminate();
  await kubectl(cluster, ["delete", "namespace", "team", "--timeout=60s"]);
  await createTeam();
  await operator.start();
  expect(typeof (await agents.connect(host.who, host.ticket))).toBe("number");
  // A token made by the leader shows that every controller has had its turn.
  await createToken(team, "again");
  const kinds = "hosts,backuppolicies,backupruns,repositories,restores,enrollmenttokens,secrets";
  const left = (await team.kubectl(["get", kinds, "-o", "name"])).trim().split("\n");
  expect(left.sort()).toEqual(["enrollmenttoken.holdfast.dev/again", "secret/holdfast-token-again"]);
});

test("an API server killed again and again while fifty objects are worked on leaves none of them out, and the cache as the server is", async () => {
  const parts = await kubeParts(cluster.kubeconfig);
  const running = informersOf(parts, ["default"]);
  const informer = running.informers.of(ConfigMaps, { labelSelector: "storm" });
  const controller = new Controller({
    ...parts,
    name: "storm",
    informers: running.informers,
    watches: [watch(informer)],
    async reconcile(key, { client }) {
      const { name } = refOf(key);
      const object = informer.get(key);
      if (object === undefined || object.metadata.labels?.["storm"] === "child") return;
      if (informer.get(`${key}-child`) === undefined) {
        const labels = { storm: "child" };
        const child = client.create(ConfigMaps, { metadata: { namespace: "default", name: `${name}-child`, labels } });
        // Its answer may have been lost: with a name that follows from the parent's it is found, not made twice.
        await child.catch((error: unknown) => {
          if (!isAlreadyExists(error)) throw error;
        });
      }
      if (object.data?.["state"] === "done") return;
      await client.update(ConfigMaps, { ...object, data: { state: "done" } });
    },
  });
  const [stop, abort] = [new AbortController(), new AbortController()];
  running.start();
  const ended = controller.run(stop.signal, abort.signal);
  onTestFinished(async () => {
    stop.abort();
    abort.abort();
    await ended;
    await running.stop();
  });
  const names = Array.from({ length: 50 }, (_, index) => `storm-${index}`);
  for (let round = 0; round < 2; round++) {
    const manifest = (name: string) => ({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name, labels: { storm: "parent" } },
    });
    const items = names.slice(round * 25, (round + 1) * 25).map(manifest);
    const created = kubectl(cluster, ["create", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items }));
    await expect.poll(() => informer.list().length, WAIT).toBeGreaterThan(round * 50 + 5);
    await created;
    await cluster.stopApiServer("SIGKILL");
    await cluster.startApiServer();
  }
  const done = () => informer.list().filter(({ data }) => data?.["state"] === "done");
  await expect.poll(() => done().length, WAIT).toBe(50);
  const { items } = await parts.client.list(ConfigMaps, { namespace: "default", labelSelector: "storm" });
  const versions = (objects: readonly { metadata: { name: string; resourceVersion: string } }[]) =>
    objects.map(({ metadata }) => `${metadata.name} ${metadata.resourceVersion}`).sort();
  expect(items).toHaveLength(100);
  await expect.poll(() => versions(informer.list()), WAIT).toEqual(versions(items));
});
