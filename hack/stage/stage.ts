import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { secret, systemRandom } from "#base/random.ts";
import type { EnrollmentToken } from "#crds/enrollmenttoken.ts";
import type { Host } from "#crds/host.ts";
import type { RunningCluster } from "../cluster/cluster.ts";
import { kubectl } from "../cluster/kubectl.ts";
import { freePort } from "../cluster/ports.ts";
import { type RestServer, startRestServer } from "../rest-server/rest-server.ts";
import { ensureTools } from "../tools/tools.ts";
import { type Invitation, Machine } from "./machine.ts";
import { killAllUsing, Process } from "./process.ts";
import { operatorKubeconfig } from "./rbac.ts";
import { until } from "./until.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));
const PREFIX = "holdfast-stage-";

export interface StageOptions {
  /** A control plane with the CRDs; it stays its starter's. */
  cluster: RunningCluster;
  /** The namespace of the resources, made here. */
  namespace: string;
  /** The operator's own namespace, made here. */
  system: string;
  /** Gives the program the agents run for restic, for a benchmark that wants to see each call. */
  resticOfAgents?(restic: string, directory: string): string;
  /** Absent: one replica, which agents reach at its own port. */
  replicas?: {
    count: number;
    /** On 127.0.0.1, served by the caller: the address of them all. */
    port: number;
    /** The kubeconfig a replica uses in place of `own`; `index` counts from 0. */
    kubeconfig(own: string, index: number): Promise<string>;
  };
}

/** One process of the operator. */
export interface Replica {
  /** HOLDFAST_REPLICA; its identity in Leases and in Host.status is this and a random part. */
  readonly name: string;
  /** Where it listens on 127.0.0.1. */
  readonly port: number;
  readonly process: Process;
}

/** Holdfast on real parts: a repository server, the operator as a process with its least RBAC, and machines with agents. */
export class Stage {
  readonly directory: string;
  readonly cluster: RunningCluster;
  readonly namespace: string;
  readonly repository: RestServer;
  readonly replicas: readonly Replica[];
  readonly machines: Machine[] = [];
  /** The restic that looks from outside, and the one of the agents. */
  readonly restic: { program: string; ofAgents: string };
  /** The operator's own namespace. */
  readonly system: string;
  readonly #password = secret(24);
  readonly #credentials: { user: string; password: string };

  private constructor(
    parts: Pick<Stage, "directory" | "cluster" | "namespace" | "system" | "repository" | "replicas" | "restic">,
    credentials: { user: string; password: string },
  ) {
    this.directory = parts.directory;
    this.cluster = parts.cluster;
    this.namespace = parts.namespace;
    this.repository = parts.repository;
    this.replicas = parts.replicas;
    this.restic = parts.restic;
    this.system = parts.system;
    this.#credentials = credentials;
  }

  /** Starts the repository server and the operator. */
  static async set(options: StageOptions): Promise<Stage> {
    const { cluster, namespace, system } = options;
    const { restic } = await ensureTools(["restic"], { report: () => {} });
    const directory = mkdtempSync(join(tmpdir(), PREFIX));
    writeFileSync(join(directory, "pid"), String(process.pid));
    try {
      for (const name of [system, namespace]) await kubectl(cluster, ["create", "namespace", name]);
      const credentials = { user: "fleet", password: secret(18) };
      const repository = await startRestServer({
        directory: join(directory, "rest-server"),
        users: { [credentials.user]: credentials.password },
      });
      const replicas = await replicasOf(options, directory);
      const ofAgents = options.resticOfAgents?.(restic, directory) ?? restic;
      const programs = { program: restic, ofAgents };
      const parts = { directory, cluster, namespace, system, repository, replicas, restic: programs };
      const stage = new Stage(parts, credentials);
      await stage.startOperator();
      return stage;
    } catch (error) {
      await killAllUsing(directory);
      rmSync(directory, { recursive: true, force: true });
      throw error;
    }
  }

  kubectl(args: readonly string[], input?: string): Promise<string> {
    return kubectl(this.cluster, ["--namespace", this.namespace, ...args], input);
  }

  async get<T>(...args: string[]): Promise<T> {
    return JSON.parse(await this.kubectl(["get", ...args, "--output=json"])) as T;
  }

  /** Applies objects given as YAML or JSON. */
  apply(manifest: string): Promise<string> {
    return this.kubectl(["apply", "--filename=-"], manifest);
  }

  /** The first replica, which most stages have alone. */
  get operator(): Process {
    return this.replicas[0]!.process;
  }

  /** Starts every replica and resolves when one leads: it serves then. */
  async startOperator(): Promise<void> {
    for (const { process } of this.replicas) process.start();
    await until("the operator serves", 180, async () => {
      for (const { process } of this.replicas) process.expectRunning();
      return (await this.#leader()) !== "";
    });
  }

  #leader(): Promise<string> {
    return kubectl(this.cluster, [
      ...["--namespace", this.system, "get", "lease", "holdfast-operator"],
      "--output=jsonpath={.spec.holderIdentity}",
    ]);
  }

  /** A machine whose agent has yet to enrol and start. `environment`: further settings of its agent; `command`: how it is run. */
  machine(name: string, environment?: Record<string, string>, command?: readonly string[]): Machine {
    const machine = new Machine(name, this.directory, this.restic.ofAgents, environment, command);
    this.machines.push(machine);
    return machine;
  }

  /** What the Secret of an EnrollmentToken says, once it is there. */
  async invitation(token: string): Promise<Invitation & { secretName: string; command: string }> {
    const name = await until(`the Secret of token ${token}`, 20, async () => {
      return (await this.get<EnrollmentToken>("enrollmenttoken", token)).status?.secretRef?.name;
    });
    const { data } = await this.get<{ data: Record<string, string> }>("secret", name);
    const value = (key: string) => Buffer.from(data[key] ?? "", "base64").toString("utf8");
    return {
      secretName: name,
      server: value("server"),
      pin: value("pin"),
      token: value("token"),
      command: value("command"),
    };
  }

  /** Starts the agent and resolves when its Host is Connected. */
  async connect(machine: Machine): Promise<void> {
    machine.agent.start();
    await until(`${machine.name} is connected`, 30, async () => {
      machine.agent.expectRunning();
      const host = await this.get<Host>("host", machine.name);
      return host.status?.conditions?.some(({ type, status }) => type === "Connected" && status === "True");
    });
  }

  /** examples/quickstart with the address of the repository server filled in, as a user would: by an overlay. */
  async applyQuickstart(): Promise<string> {
    const overlay = join(this.directory, "overlay");
    mkdirSync(overlay, { recursive: true });
    // kustomize takes other folders by relative paths only.
    const base = relative(overlay, join(root, "examples/quickstart"));
    writeFileSync(
      join(overlay, "kustomization.yaml"),
      JSON.stringify({
        resources: [base],
        namespace: this.namespace,
        patches: [
          {
            target: { kind: "Repository", name: "offsite" },
            patch: JSON.stringify([{ op: "replace", path: "/spec/url", value: `${this.repository.url}fleet/` }]),
          },
        ],
      }),
    );
    await this.createRepositorySecrets();
    return this.kubectl(["apply", "--kustomize", overlay]);
  }

  /** The Secrets offsite-password and offsite-server of the quickstart. */
  async createRepositorySecrets(): Promise<void> {
    await this.createSecret("offsite-password", { password: this.#password });
    await this.createSecret("offsite-server", {
      RESTIC_REST_USERNAME: this.#credentials.user,
      RESTIC_REST_PASSWORD: this.#credentials.password,
      "ca.crt": this.repository.ca,
    });
  }

  /** By standard input, so that no value is in the arguments of a process. */
  createSecret(name: string, stringData: Record<string, string>): Promise<string> {
    const manifest = { apiVersion: "v1", kind: "Secret", metadata: { name }, stringData };
    return this.kubectl(["create", "--filename=-"], JSON.stringify(manifest));
  }

  /** Bare restic on the quickstart's repository, to check from outside what Holdfast says. */
  async runRestic(...args: string[]): Promise<string> {
    const { stdout } = await run(this.restic.program, [...args, "--no-lock"], {
      maxBuffer: 64 * 1024 * 1024,
      env: this.resticEnvironment(join(this.directory, "restic-cache")),
    });
    return stdout;
  }

  /** Ids of the snapshots that carry `tag`, by restic itself. */
  async snapshots(tag: string): Promise<string[]> {
    const list = JSON.parse(await this.runRestic("snapshots", "--json", "--tag", tag)) as { id: string }[];
    return list.map(({ id }) => id);
  }

  /** What restic needs to open the quickstart's repository. */
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

  /** The end of each log, by file name: what to look at after a failure. */
  logs(lines = 15): Map<string, string> {
    const files = readdirSync(this.directory).filter((name) => name.endsWith(".log"));
    const end = (file: string) =>
      readFileSync(join(this.directory, file), "utf8").trimEnd().split("\n").slice(-lines).join("\n");
    return new Map(files.map((file) => [file, end(file)]));
  }

  /** Ends every process, restic included, and removes every file. The control plane and what is in it stay. */
  async strike(): Promise<void> {
    await Promise.all(
      [...this.replicas.map(({ process }) => process), ...this.machines.map(({ agent }) => agent)].map((process) =>
        process.stop("SIGKILL"),
      ),
    );
    await this.repository.stop();
    await killAllUsing(this.directory);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

async function replicasOf(options: StageOptions, directory: string): Promise<Replica[]> {
  const { cluster, namespace, system, replicas: many } = options;
  const own = await operatorKubeconfig(cluster, system, namespace);
  return Promise.all(
    Array.from({ length: many?.count ?? 1 }, async (_, index) => {
      const port = await freePort(systemRandom);
      const name = `operator-${index}`;
      const environment = {
        PATH: process.env["PATH"],
        // The sweep finds what a killed stage left behind by its folder in the environment.
        TMPDIR: directory,
        KUBECONFIG: (await many?.kubeconfig(own, index)) ?? own,
        HOLDFAST_NAMESPACE: system,
        HOLDFAST_WATCH_NAMESPACES: namespace,
        HOLDFAST_LISTEN: `127.0.0.1:${port}`,
        HOLDFAST_PUBLIC_URL: `https://127.0.0.1:${many?.port ?? port}`,
        HOLDFAST_REPLICA: name,
      };
      const log = join(directory, many === undefined ? "operator.log" : `${name}.log`);
      return { name, port, process: new Process([process.execPath, join(root, "operator/main.ts")], environment, log) };
    }),
  );
}

/** Removes what processes left behind that were killed with their stage up; returns the folders. */
export async function sweepStages(): Promise<string[]> {
  const abandoned = readdirSync(tmpdir())
    .filter((name) => name.startsWith(PREFIX))
    .map((name) => join(tmpdir(), name))
    .filter((directory) => !ownerLives(directory));
  for (const directory of abandoned) {
    await killAllUsing(directory);
    rmSync(directory, { recursive: true, force: true });
  }
  return abandoned;
}

function ownerLives(directory: string): boolean {
  try {
    return process.kill(Number(readFileSync(join(directory, "pid"), "utf8")), 0);
  } catch {
    return false;
  }
}
