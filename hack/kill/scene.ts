import { readFileSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "#base/random.ts";
import type { BackupRun } from "#crds/backuprun.ts";
import type { Host } from "#crds/host.ts";
import { type Cluster, startCluster } from "../cluster/cluster.ts";
import { applyCRDs } from "../cluster/crds.ts";
import { layoutOf } from "../cluster/layout.ts";
import { growTree } from "../demo/tree.ts";
import { FaultProxy } from "../fault-proxy/fault-proxy.ts";
import type { Machine } from "../stage/machine.ts";
import { Stage } from "../stage/stage.ts";
import { until } from "../stage/until.ts";
import { Balancer } from "./balancer.ts";
import { EtcdHistory } from "./etcd-history.ts";
import { Gate } from "./gate.ts";

/** The folder every host backs up and restores, which never changes. */
export const SITE = "/srv/www";
/** Gets new data before each long run. */
export const BULK = "/srv/bulk";
const SITE_FILES = 200;

/** A host with its agent, and the gate its restics go through. */
export interface Station {
  readonly machine: Machine;
  readonly gate: Gate;
  readonly uid: string;
}

/** A control plane of its own, several replicas behind one address, each with a proxy to the API server, and hosts. */
export interface Scene {
  readonly cluster: Cluster;
  readonly stage: Stage;
  readonly history: EtcdHistory;
  readonly balancer: Balancer;
  /** By replica. */
  readonly proxies: readonly FaultProxy[];
  readonly stations: readonly Station[];
  /** Of the policy that fires every minute. Milliseconds since 1970: from when on every host has it. */
  readonly pulse: { readonly uid: string; readonly since: number };
  strike(): Promise<void>;
}

/** Resolves when each host has made a backup and has the schedule of the policy `pulse`. */
export async function setScene(replicas: number, hosts: number, report: (line: string) => void): Promise<Scene> {
  const cluster = await startCluster({ report });
  const undo: (() => Promise<void>)[] = [() => cluster.stop()];
  const strike = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    await applyCRDs(cluster);
    const balancer = await Balancer.start();
    undo.push(() => balancer.stop());
    const proxies: FaultProxy[] = [];
    undo.push(async () => {
      await Promise.all(proxies.map((proxy) => proxy.stop()));
    });
    const stage = await Stage.set({
      cluster,
      namespace: "fleet",
      system: "holdfast-system",
      replicas: {
        count: replicas,
        port: balancer.port,
        async kubeconfig(own, index) {
          proxies[index] = await FaultProxy.start({ cluster });
          return proxies[index].kubeconfig(own);
        },
      },
    });
    undo.push(() => stage.strike());
    balancer.route(stage.replicas.map(({ port }) => port));
    const history = new EtcdHistory(layoutOf(cluster.directory).etcdSocket);
    undo.push(async () => history.close());
    const stations = await enrol(stage, hosts);
    const pulse = await startPulse(stage, stations);
    return { cluster, stage, history, balancer, proxies, stations, pulse, strike };
  } catch (error) {
    await strike();
    throw error;
  }
}

async function enrol(stage: Stage, hosts: number): Promise<Station[]> {
  await stage.createRepositorySecrets();
  await apply(stage, "EnrollmentToken", "web", { maxUses: hosts, hostLabels: { role: "web" } });
  await apply(stage, "Repository", "offsite", {
    url: `${stage.repository.url}fleet/`,
    passwordFrom: { secretKeyRef: { name: "offsite-password", key: "password" } },
    envFrom: [{ secretRef: { name: "offsite-server" } }],
    tls: { caFrom: { secretKeyRef: { name: "offsite-server", key: "ca.crt" } } },
    initialize: true,
  });
  await applyPolicy(stage, "www", SITE);
  await applyPolicy(stage, "bulk", BULK);
  const invitation = await stage.invitation("web");
  const stations: Station[] = [];
  for (let index = 0; index < hosts; index++) {
    const name = `web-${index + 1}`;
    const gate = new Gate(join(stage.directory, "gates", name), stage.restic.program);
    const machine = stage.machine(name, { HOLDFAST_RESTIC: gate.program });
    await growTree(join(machine.root, SITE), SITE_FILES, seededRandom(index));
    await growTree(join(machine.root, BULK), 1, seededRandom(index));
    await machine.enrol(invitation);
    await stage.connect(machine);
    const { metadata } = await stage.get<Host>("host", name);
    stations.push({ machine, gate, uid: metadata.uid });
  }
  await Promise.all(stations.map(({ machine }) => firstBackup(stage, machine)));
  return stations;
}

/** What restores bring back, made while nothing is killed. */
async function firstBackup(stage: Stage, { name }: Machine): Promise<void> {
  await stage.kubectl(["wait", "--for=condition=Ready", "--timeout=60s", "repository/offsite", "backuppolicy/www"]);
  await apply(stage, "BackupRun", firstRun(name), { policyRef: "www", hostRef: name });
  await until(`${firstRun(name)} has succeeded`, 90, async () => {
    return (await stage.get<BackupRun>("backuprun", firstRun(name))).status?.phase === "Succeeded";
  });
}

export function firstRun(host: string): string {
  return `first-${host}`;
}

async function startPulse(stage: Stage, stations: readonly Station[]): Promise<Scene["pulse"]> {
  await applyPolicy(stage, "pulse", SITE, { schedule: "* * * * *" });
  await until("every host has the schedule", 60, async () => {
    const { status } = await stage.get<{ status?: { hosts?: { applied?: number } } }>("backuppolicy", "pulse");
    return status?.hosts?.applied === stations.length;
  });
  const { metadata } = await stage.get<{ metadata: { uid: string } }>("backuppolicy", "pulse");
  return { uid: metadata.uid, since: Date.now() };
}

function applyPolicy(stage: Stage, name: string, path: string, more: object = {}): Promise<string> {
  const hosts = { selector: { matchLabels: { role: "web" } } };
  return apply(stage, "BackupPolicy", name, {
    hosts,
    repository: { name: "offsite" },
    files: { paths: [path] },
    ...more,
  });
}

function apply(stage: Stage, kind: string, name: string, spec: object): Promise<string> {
  return stage.apply(JSON.stringify({ apiVersion: "holdfast.dev/v1alpha1", kind, metadata: { name }, spec }));
}

/** The identity under which a replica's process runs now, as its log says; undefined before it has begun. */
export function identityOf(stage: Stage, replica: number): string | undefined {
  const { name, process } = stage.replicas[replica]!;
  if (!process.running) return undefined;
  const lines = readFileSync(join(stage.directory, `${name}.log`), "utf8").split("\n");
  const started = lines.findLast((line) => line.includes('"msg":"starting"'));
  if (started === undefined) return undefined;
  const { time, replica: identity } = JSON.parse(started) as { time: string; replica: string };
  return Date.parse(time) >= process.startedAt ? identity : undefined;
}
