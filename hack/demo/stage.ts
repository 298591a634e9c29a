import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { secret, systemRandom } from "#base/random.ts";
import { type Cluster, startCluster } from "../cluster/cluster.ts";
import { applyCRDs } from "../cluster/crds.ts";
import { kubectl } from "../cluster/kubectl.ts";
import { freePort } from "../cluster/ports.ts";
import { type RestServer, startRestServer } from "../rest-server/rest-server.ts";
import { ensureTools } from "../tools/tools.ts";
import { say, show } from "./narrator.ts";
import { killAllUsing, Process } from "./process.ts";
import { until } from "./until.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));
const PREFIX = "holdfast-demo-";
const SYSTEM = "holdfast-system";
/** Where the demo's resources live. */
export const NAMESPACE = "demo";

/** A machine: an agent process with a state, a root folder and a name of its own. */
export interface Machine {
  name: string;
  /** What the agent takes for `/`: every path of a policy and a restore lies below it. */
  root: string;
  agent: Process;
}

/** Everything the demo plays on: a Kubernetes API, a repository server, the operator, two machines. */
export class Stage {
  readonly directory: string;
  readonly cluster: Cluster;
  readonly repository: RestServer;
  readonly operator: Process;
  readonly machines: readonly [Machine, Machine];
  readonly resticProgram: string;
  readonly #password: string;
  readonly #credentials: { user: string; password: string };

  private constructor(parts: {
    directory: string;
    cluster: Cluster;
    repository: RestServer;
    operator: Process;
    machines: readonly [Machine, Machine];
    restic: string;
    password: string;
    credentials: { user: string; password: string };
  }) {
    this.directory = parts.directory;
    this.cluster = parts.cluster;
    this.repository = parts.repository;
    this.operator = parts.operator;
    this.machines = parts.machines;
    this.resticProgram = parts.restic;
    this.#password = parts.password;
    this.#credentials = parts.credentials;
  }

  /**
   * Starts the cluster, the repository server and the operator; makes the machines, whose agents have yet to enrol.
   * `resticOfAgents` gives the program the agents run for restic, for a benchmark that wants to see each call.
   */
  static async set(options: { resticOfAgents?(restic: string, directory: string): string } = {}): Promise<Stage> {
    const report = (line: string) => say(line);
    const { restic } = await ensureTools(
      ["restic", "rest-server", "kube-apiserver", "kube-controller-manager", "etcd", "kubectl"],
      { report },
    );
    const directory = mkdtempSync(join(tmpdir(), PREFIX));
    writeFileSync(join(directory, "pid"), String(process.pid));
    const cluster = await startCluster({ report });
    say(`Kubernetes API up at ${cluster.server}`);
    try {
      await applyCRDs(cluster);
      const credentials = { user: "fleet", password: secret(18) };
      const password = secret(24);
      const repository = await startRestServer({
        directory: join(directory, "rest-server"),
        users: { [credentials.user]: credentials.password },
      });
      say(`rest-server up at ${repository.url.replace(/^rest:/, "")} (TLS, htpasswd)`);
      const port = await freePort(systemRandom);
      const operator = await makeOperator(cluster, port, directory);
      const machines = ["web-1", "web-2"].map((name) =>
        makeMachine(name, directory, options.resticOfAgents?.(restic, directory) ?? restic),
      ) as [Machine, Machine];
      const stage = new Stage({
        directory,
        cluster,
        repository,
        operator,
        machines,
        restic,
        password,
        credentials,
      });
      await stage.startOperator();
      return stage;
    } catch (error) {
      await cluster.stop();
      await killAllUsing(directory);
      rmSync(directory, { recursive: true, force: true });
      throw error;
    }
  }

  kubectl(...args: string[]): Promise<string> {
    return kubectl(this.cluster, ["--namespace", NAMESPACE, ...args]);
  }

  /** kubectl with a manifest on its standard input. */
  kubectlWith(input: string, ...args: string[]): Promise<string> {
    return kubectl(this.cluster, ["--namespace", NAMESPACE, ...args], input);
  }

  async get<T>(...args: string[]): Promise<T> {
    return JSON.parse(await this.kubectl("get", ...args, "--output=json")) as T;
  }

  async startOperator(): Promise<void> {
    this.operator.start();
    await until("the operator holds the lease", 30, async () => {
      this.operator.expectRunning();
      const lease = await kubectl(this.cluster, [
        ...["--namespace", SYSTEM, "get", "lease", "holdfast-operator", "--output=jsonpath={.spec.holderIdentity}"],
      ]);
      return lease !== "";
    });
  }

  /** The overlay a user would write: examples/quickstart with the address of the repository server filled in. */
  async applyQuickstart(): Promise<string> {
    const overlay = join(this.directory, "overlay");
    mkdirSync(overlay, { recursive: true });
    // kustomize takes only folders below or beside, by relative paths.
    const base = relative(overlay, join(root, "examples/quickstart"));
    writeFileSync(
      join(overlay, "kustomization.yaml"),
      JSON.stringify({
        resources: [base],
        namespace: NAMESPACE,
        patches: [
          {
            target: { kind: "Repository", name: "offsite" },
            patch: JSON.stringify([{ op: "replace", path: "/spec/url", value: `${this.repository.url}fleet/` }]),
          },
        ],
      }),
    );
    await this.createSecret("offsite-password", { password: this.#password });
    await this.createSecret("offsite-server", {
      RESTIC_REST_USERNAME: this.#credentials.user,
      RESTIC_REST_PASSWORD: this.#credentials.password,
      "ca.crt": this.repository.ca,
    });
    return this.kubectl("apply", "--kustomize", overlay);
  }

  /** By standard input, so that no value is in the arguments of a process. */
  createSecret(name: string, stringData: Record<string, string>): Promise<string> {
    return this.kubectlWith(
      JSON.stringify({ apiVersion: "v1", kind: "Secret", metadata: { name }, stringData }),
      "create",
      "--filename=-",
    );
  }

  /** Bare restic on the demo's repository, to check from outside what Holdfast says. */
  async restic(...args: string[]): Promise<string> {
    const { stdout } = await run(this.resticProgram, [...args, "--no-lock", "--no-cache"], {
      maxBuffer: 64 * 1024 * 1024,
      env: this.resticEnvironment(join(this.directory, "restic-cache")),
    });
    return stdout;
  }

  /** What restic needs to open the demo's repository. */
  resticEnvironment(cache: string): Record<string, string> {
    const ca = join(this.directory, "rest-server-ca.crt");
    writeFileSync(ca, this.repository.ca);
    return {
      RESTIC_REPOSITORY: `${this.repository.url}fleet/`,
      RESTIC_PASSWORD: this.#password,
      RESTIC_REST_USERNAME: this.#credentials.user,
      RESTIC_REST_PASSWORD: this.#credentials.password,
      RESTIC_CACERT: ca,
      RESTIC_CACHE_DIR: cache,
    };
  }

  /** The end of each log: only after a failure. */
  sayLogs(): void {
    for (const file of readdirSync(this.directory).filter((name) => name.endsWith(".log"))) {
      const lines = readFileSync(join(this.directory, file), "utf8").trimEnd().split("\n").slice(-15);
      show(`tail ${file}`, lines.map((line) => line.slice(0, 500)).join("\n"));
    }
  }

  /** Ends every process, restic included, and removes every file. */
  async strike(): Promise<void> {
    for (const process of [this.operator, ...this.machines.map((machine) => machine.agent)])
      await process.stop("SIGKILL");
    await this.repository.stop();
    await this.cluster.stop();
    await killAllUsing(this.directory);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Removes what demos left behind that were killed with SIGKILL. */
export async function sweepDemos(): Promise<void> {
  for (const name of readdirSync(tmpdir()).filter((entry) => entry.startsWith(PREFIX))) {
    const directory = join(tmpdir(), name);
    if (isAlive(directory)) continue;
    await killAllUsing(directory);
    rmSync(directory, { recursive: true, force: true });
    say(`removed ${directory}, left behind by a demo that was killed`);
  }
}

function isAlive(directory: string): boolean {
  try {
    process.kill(Number(readFileSync(join(directory, "pid"), "utf8")), 0);
    return true;
  } catch {
    return false;
  }
}

async function makeOperator(cluster: Cluster, port: number, directory: string): Promise<Process> {
  for (const namespace of [SYSTEM, NAMESPACE]) await kubectl(cluster, ["create", "namespace", namespace]);
  const rbac = join(root, "charts/holdfast/rbac");
  await kubectl(cluster, ["--namespace", SYSTEM, "apply", "--filename", join(rbac, "operator")]);
  await kubectl(cluster, ["--namespace", NAMESPACE, "apply", "--filename", join(rbac, "watched")]);
  // The identity its ServiceAccount has in a pod, so that it has exactly the permissions of the manifests.
  const kubeconfig = await cluster.kubeconfigFor(`system:serviceaccount:${SYSTEM}:holdfast-operator`, [
    "system:serviceaccounts",
    `system:serviceaccounts:${SYSTEM}`,
    "system:authenticated",
  ]);
  return new Process(
    [join(root, "operator/main.ts")],
    {
      KUBECONFIG: kubeconfig,
      HOLDFAST_NAMESPACE: SYSTEM,
      HOLDFAST_WATCH_NAMESPACES: NAMESPACE,
      HOLDFAST_LISTEN: `127.0.0.1:${port}`,
      HOLDFAST_PUBLIC_URL: `https://127.0.0.1:${port}`,
      HOLDFAST_REPLICA: "operator-0",
    },
    join(directory, "operator.log"),
  );
}

function makeMachine(name: string, directory: string, restic: string): Machine {
  const folder = join(directory, name);
  const machine = join(folder, "root");
  mkdirSync(machine, { recursive: true });
  return {
    name,
    root: machine,
    agent: new Process(
      [join(root, "agent/main.ts"), "run"],
      { ...agentEnvironment(name, folder, restic) },
      join(directory, `${name}.log`),
    ),
  };
}

/** What the unit file of a machine says. The reconnect settings are short so that the demo need not wait. */
export function agentEnvironment(name: string, folder: string, restic: string): Record<string, string> {
  return {
    HOLDFAST_HOSTNAME: name,
    HOLDFAST_STATE_DIR: join(folder, "state"),
    HOLDFAST_CACHE_DIR: join(folder, "cache"),
    HOLDFAST_HOST_ROOT: join(folder, "root"),
    HOLDFAST_RESTIC: restic,
  };
}
