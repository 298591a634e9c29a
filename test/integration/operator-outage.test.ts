import { afterAll, beforeAll, expect, test } from "vitest";
import WebSocket from "ws";
import { type Cluster, startCluster } from "../../hack/cluster/cluster.ts";
import { applyCRDs } from "../../hack/cluster/crds.ts";
import { kubectl } from "../../hack/cluster/kubectl.ts";
import { inNamespace, type TestNamespace } from "../namespace.ts";
import { RawAgents, recordOf } from "./operator-agents.ts";
import { call } from "./operator-http.ts";
import { type OperatorProcess, startOperator, until } from "./operator-process.ts";

let cluster: Cluster;
let operator: OperatorProcess;
let at: TestNamespace;
let agents: RawAgents;

// A control plane of its own, because its API server is stopped.
beforeAll(async () => {
  cluster = await startCluster({ report: () => {} });
  await applyCRDs(cluster);
  const namespace = "outage";
  at = inNamespace(cluster, namespace);
  await kubectl(cluster, ["create", "namespace", namespace]);
  operator = await startOperator(cluster, namespace);
  agents = new RawAgents(at, () => operator);
});

afterAll(async () => {
  agents?.cut();
  await operator?.stop("SIGKILL");
  await cluster?.stop();
});

test("while the API server is away agents stay connected and probes green; results wait and are acknowledged once it is back", async () => {
  const host = await agents.enrol("web-1");
  const { agent } = await agents.session(host);
  const policy = await at.create("BackupPolicy", "www", {
    hosts: { names: ["web-1"] },
    repository: { name: "missing" },
    files: { paths: ["/srv"] },
  });
  const run = await at.create("BackupRun", "now", { policyRef: "www", hostRef: "web-1" });

  await cluster.stopApiServer("SIGKILL");
  const record = recordOf(run.metadata, policy.metadata);
  agent.send({ type: "record", stream: "s", seq: 1, record });
  await until("the operator to miss its API server", async () => {
    const away = operator.log().includes("did not answer");
    return away ? true : undefined;
  });
  expect((await call(operator, "GET", "/healthz")).status).toBe(200);
  expect((await call(operator, "GET", "/readyz")).status).toBe(200);
  expect(agent.socket.readyState).toBe(WebSocket.OPEN);
  expect(agent.frames.filter(({ type }) => type === "ack")).toEqual([]);

  await cluster.startApiServer();
  await agent.next("ack");
  const { status } = await at.get("backuprun", "now");
  expect(status.phase).toBe("Succeeded");
  expect(agent.socket.readyState).toBe(WebSocket.OPEN);
});

test("an operator that is killed with a result in its hands has not acknowledged it: sent again, it is written once", async () => {
  const host = await agents.enrol("db-1");
  const first = await agents.session(host);
  const policy = await at.create("BackupPolicy", "db", {
    hosts: { names: ["db-1"] },
    repository: { name: "missing" },
    files: { paths: ["/srv"] },
  });
  const run = await at.create("BackupRun", "killed", { policyRef: "db", hostRef: "db-1" });
  const record = recordOf(run.metadata, policy.metadata);
  first.agent.send({ type: "record", stream: "s", seq: 1, record });
  await operator.stop("SIGKILL");
  expect(await first.agent.closed).toBe(1006);
  await operator.start();
  const second = await agents.session(host, { nonce: first.ack.nonce, highestEpoch: first.ack.epoch });
  expect(second.ack.epoch).toBe(first.ack.epoch + 1);
  second.agent.send({ type: "record", stream: "s", seq: 1, record });
  expect(await second.agent.next("ack")).toMatchObject({ stream: "s", seq: 1 });
  const { status } = await at.get("backuprun", "killed");
  expect(status).toMatchObject({ phase: "Succeeded", attempts: 1 });
});
