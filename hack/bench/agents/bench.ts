import { systemClock } from "#base/clock.ts";
import { HoldfastError } from "#base/errors.ts";
import type { BackupRun } from "#crds/backuprun.ts";
import type { LinkSettings } from "../../../agent/link/link-state.ts";
import type { RunningCluster } from "../../cluster/cluster.ts";
import { kubectl } from "../../cluster/kubectl.ts";
import { type Request, readAudit, writes } from "../run/audit.ts";
import { createHosts, Fleet } from "./fleet.ts";
import { MeasuredOperator, type Sample } from "./operator.ts";

export interface BenchOptions {
  cluster: RunningCluster;
  agents: number;
  /** Hosts of the manual run. */
  batch: number;
  /** How long nothing is done for the idle figures. */
  idleMs: number;
  /** A phase is over once the operator has written nothing for this long; the product's slowest pace is SETTLE_MS. */
  settleMs: number;
  /** In place of the product's own. */
  link: Partial<LinkSettings>;
  report(line: string): void;
}

/** One part of the benchmark: what it took the operator and the API server. */
export interface Phase {
  name: string;
  seconds: number;
  cpuSeconds: number;
  /** The operator's, Leases apart. */
  writes: number;
  /** Most of them in one second. */
  peakWrites: number;
  writesBy: string;
  before: Sample;
  after: Sample;
  /** What the agents were told in it. */
  configs: number;
  configBytes: number;
}

/** Aggregates are written at most every 10 s: after this long without a write nothing is still to be written. */
export const SETTLE_MS = 12_000;
const POLL_MS = 250;
/** Past this a phase is not slow but stuck. */
const LONGEST_MS = 15 * 60_000;

/** Drives one replica of the operator with simulated agents; resolves with what was measured, in order. */
export async function benchAgents(options: BenchOptions): Promise<Phase[]> {
  const { cluster, agents, settleMs, report } = options;
  const operator = new MeasuredOperator(cluster);
  const fleet = new Fleet();
  const phases: Phase[] = [];
  const { namespace } = operator;
  const apply = (manifest: object) =>
    kubectl(cluster, ["--namespace", namespace, "apply", "--filename=-"], JSON.stringify(manifest));

  async function phase(name: string, settle: number, work: () => Promise<void>): Promise<void> {
    report(name);
    const told = await fleet.ask();
    const before = await operator.sample();
    await work();
    const seconds = (systemClock.now() - before.at) / 1000;
    await settled(settle);
    const after = await operator.sample();
    const now = await fleet.ask();
    const made = operatorWrites(cluster, operator.system).filter(
      ({ answered }) => answered >= before.at && answered <= after.at,
    );
    phases.push({
      name,
      seconds,
      // A process that was started in between counts from its start.
      cpuSeconds: after.cpuSeconds - (after.cpuSeconds < before.cpuSeconds ? 0 : before.cpuSeconds),
      writes: made.length,
      peakWrites: Math.max(
        0,
        ...Map.groupBy(made, ({ answered }) => Math.floor(answered / 1000))
          .values()
          .map((of) => of.length),
      ),
      writesBy: byResource(made),
      before,
      after,
      configs: now.configs - told.configs,
      configBytes: now.configBytes - told.configBytes,
    });
  }
  async function settled(quietMs: number): Promise<void> {
    for (let busy = quietMs > 0; busy; ) {
      const since = systemClock.now();
      await systemClock.sleep(quietMs);
      busy = operatorWrites(cluster, operator.system).some(({ answered }) => answered >= since);
    }
  }
  const all = () =>
    eventually("every agent is connected", async () => {
      const { connected, reasons } = await fleet.ask();
      return connected === agents ? "" : `${connected} of ${agents}; ${JSON.stringify(reasons)}`;
    });
  const succeeded = async () => {
    const text = await kubectl(cluster, ["--namespace", namespace, "get", "backupruns", "--output=json"]);
    return (JSON.parse(text) as { items: BackupRun[] }).items.filter(({ status }) => status?.phase === "Succeeded")
      .length;
  };
  const applied = (resolved: number) =>
    eventually("every agent has its configuration", async () => {
      const told = await fleet.ask();
      return told.resolved >= resolved ? "" : `${told.resolved} of ${resolved}`;
    });

  try {
    await operator.prepare();
    report(`creating ${agents} Hosts with their credentials`);
    const hosts = await createHosts(cluster.kubeconfig, namespace, { count: agents, batch: options.batch });
    report(`the operator is process ${await operator.start()}`);
    const ca = [await operator.authority()];
    const identities = hosts.map((host) => ({ ...host, ca, endpoint: operator.endpoint, clusterID: "not known yet" }));

    await phase("connect all", settleMs, async () => {
      await fleet.start(identities, options.link);
      await all();
    });
    await phase("idle", 0, () => systemClock.sleep(options.idleMs));
    await apply(password);
    await apply(repository);
    await phase("first configuration of all", settleMs, async () => {
      const { resolved } = await fleet.ask();
      await apply(policy("all", { selector: {} }, ["*.tmp"]));
      await applied(resolved + agents);
    });
    await phase("configuration change for all", settleMs, async () => {
      const { resolved } = await fleet.ask();
      await apply(policy("all", { selector: {} }, ["*.tmp", "*.bak"]));
      await applied(resolved + agents);
    });
    const { resolved } = await fleet.ask();
    await apply(policy("batch", { selector: { matchLabels: { batch: "yes" } } }, []));
    await applied(resolved + options.batch);
    await settled(settleMs);
    await phase(`manual run on ${options.batch} hosts`, settleMs, async () => {
      const requested = `holdfast.dev/run-requested-at=${new Date(systemClock.now()).toISOString()}`;
      await kubectl(cluster, ["--namespace", namespace, "annotate", "backuppolicy", "batch", requested]);
      await eventually("every run succeeded", async () => {
        const count = await succeeded();
        return count === options.batch ? "" : `${count} of ${options.batch}`;
      });
    });
    await phase("kill -9, start, reconnect of all", settleMs, async () => {
      await operator.kill("SIGKILL");
      await eventually("every agent has noticed", async () => {
        const { connected } = await fleet.ask();
        return connected === 0 ? "" : `${connected} of ${agents}`;
      });
      report(`the operator is process ${await operator.start()}`);
      await all();
    });
    return phases;
  } finally {
    await fleet.stop();
    await operator.remove();
  }
}

/** Asks until `missing` is empty. */
async function eventually(what: string, missing: () => Promise<string>): Promise<void> {
  const deadline = systemClock.monotonic() + LONGEST_MS;
  for (let still = await missing(); still !== ""; still = await missing()) {
    if (systemClock.monotonic() > deadline) throw new HoldfastError("bench/stuck", `${what}: ${still}`);
    await systemClock.sleep(POLL_MS);
  }
}

function operatorWrites(cluster: RunningCluster, system: string): Request[] {
  return writes(readAudit(cluster.auditLog)).filter(
    // Asking who reads the metrics is the benchmark's own doing.
    ({ user, resource }) => user.includes(`:${system}:holdfast-operator`) && !resource.endsWith("reviews"),
  );
}

function byResource(requests: Request[]): string {
  const groups = Map.groupBy(requests, ({ verb, resource, subresource }) =>
    [verb, [resource, subresource].filter(Boolean).join("/")].join(" "),
  );
  return [...groups].map(([what, of]) => `${what} ${of.length}`).join(", ");
}

const apiVersion = "holdfast.dev/v1alpha1";
const password = {
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name: "offsite" },
  stringData: { password: "only simulated agents ever see it" },
};
const repository = {
  apiVersion,
  kind: "Repository",
  metadata: { name: "offsite" },
  spec: {
    url: "rest:https://backup.example.com:8000/fleet/",
    passwordFrom: { secretKeyRef: { name: "offsite", key: "password" } },
    initialize: true,
  },
};

function policy(name: string, hosts: object, exclude: string[]): object {
  const files = { paths: [`/srv/${name}`], exclude };
  return {
    apiVersion,
    kind: "BackupPolicy",
    metadata: { name },
    spec: { hosts, repository: { name: "offsite" }, files, schedule: "H 2 * * *", timeZone: "Europe/Berlin" },
  };
}
