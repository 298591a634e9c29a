import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { HoldfastError } from "#base/errors.ts";
import { systemRandom } from "#base/random.ts";
import type { RunningCluster } from "../../cluster/cluster.ts";
import { kubectl } from "../../cluster/kubectl.ts";
import { freePort } from "../../cluster/ports.ts";
import { Process } from "../../stage/process.ts";
import { operatorKubeconfig } from "../../stage/rbac.ts";
import { until } from "../../stage/until.ts";
import { residentMiB } from "../run/sockets.ts";

const MAIN = fileURLToPath(new URL("../../../operator/main.ts", import.meta.url));
/** _SC_CLK_TCK, the unit of times in /proc/<pid>/stat: 100 on every Linux. */
const TICKS_PER_SECOND = 100;

/** What the operator says of itself and what the kernel says of it. */
export interface Sample {
  /** ms since 1970. */
  at: number;
  residentMiB: number;
  heapMiB: number;
  /** Since the process began. */
  cpuSeconds: number;
  /** Since the last sample. */
  eventLoopP99Ms: number;
}

/** One replica of the operator from source, with the rights of the chart, and a reader of its metrics. */
export class MeasuredOperator {
  readonly #cluster: RunningCluster;
  readonly #directory = mkdtempSync(join(tmpdir(), "holdfast-bench-"));
  readonly namespace: string;
  readonly system: string;
  #process: Process | undefined;
  #port = 0;
  #token = "";

  constructor(cluster: RunningCluster) {
    this.#cluster = cluster;
    this.namespace = `bench-${randomBytes(4).toString("hex")}`;
    this.system = `${this.namespace}-system`;
  }

  /** Makes the namespaces, the permissions and somebody who may read metrics. Nothing starts yet. */
  async prepare(): Promise<void> {
    const { system, namespace } = this;
    for (const name of [system, namespace]) await kubectl(this.#cluster, ["create", "namespace", name]);
    const kubeconfig = await operatorKubeconfig(this.#cluster, system, namespace);
    await kubectl(this.#cluster, ["--namespace", system, "create", "serviceaccount", "metrics"]);
    const role = ["clusterrole", system, "--verb=get", "--non-resource-url=/metrics"];
    await kubectl(this.#cluster, ["create", ...role]);
    const binding = [`--clusterrole=${system}`, `--serviceaccount=${system}:metrics`];
    await kubectl(this.#cluster, ["create", "clusterrolebinding", system, ...binding]);
    const token = ["create", "token", "metrics", "--duration=2h"];
    this.#token = (await kubectl(this.#cluster, ["--namespace", system, ...token])).trim();
    this.#port = await freePort(systemRandom);
    this.#process = new Process(
      [process.execPath, MAIN],
      {
        PATH: process.env["PATH"],
        TMPDIR: this.#directory,
        KUBECONFIG: kubeconfig,
        HOLDFAST_NAMESPACE: system,
        HOLDFAST_WATCH_NAMESPACES: namespace,
        HOLDFAST_LISTEN: `127.0.0.1:${this.#port}`,
        HOLDFAST_PUBLIC_URL: `https://127.0.0.1:${this.#port}`,
        HOLDFAST_REPLICA: "operator-0",
      },
      join(this.#directory, "operator.log"),
    );
  }

  get endpoint(): string {
    return `wss://127.0.0.1:${this.#port}/v1/agent`;
  }

  get #running(): Process {
    if (this.#process === undefined) throw new HoldfastError("bench/not-prepared", "prepare the operator first");
    return this.#process;
  }

  /** Resolves with its process id when it answers metrics. */
  async start(): Promise<number> {
    this.#running.start();
    await this.sample();
    return this.#running.pid;
  }

  kill(signal: NodeJS.Signals): Promise<void> {
    return this.#running.stop(signal);
  }

  /** The authority agents trust, PEM. */
  async authority(): Promise<string> {
    const secret = ["--namespace", this.system, "get", "secret", "holdfast-installation", "--output=json"];
    const { data } = JSON.parse(await kubectl(this.#cluster, secret)) as { data: { "ca.crt": string } };
    return Buffer.from(data["ca.crt"], "base64").toString("utf8");
  }

  async sample(): Promise<Sample> {
    const { pid } = this.#running;
    // Asked again while it starts, and where it was asked too often.
    const text = await until("the operator answers /metrics", 120, () => {
      this.#running.expectRunning();
      return this.#metrics();
    });
    const metric = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1] ?? Number.NaN);
    // Fields 14 and 15, counted behind the name, which may hold blanks.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    return {
      at: Date.now(),
      residentMiB: residentMiB(pid),
      heapMiB: metric("nodejs_heap_size_used_bytes") / 2 ** 20,
      cpuSeconds: (Number(stat[11]) + Number(stat[12])) / TICKS_PER_SECOND,
      eventLoopP99Ms: metric("nodejs_eventloop_lag_p99_seconds") * 1000,
    };
  }

  #metrics(): Promise<string> {
    return new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${this.#token}` };
      const options = { host: "127.0.0.1", port: this.#port, path: "/metrics", headers, agent: false };
      // Who answers on this port of loopback is the process that was started there.
      const sent = request({ ...options, rejectUnauthorized: false }, (response) => {
        let body = "";
        response.setEncoding("utf8").on("data", (chunk: string) => {
          body += chunk;
        });
        response.on("end", () => {
          if (response.statusCode === 200) resolve(body);
          else
            reject(
              new HoldfastError("bench/metrics", `/metrics answers ${response.statusCode}: ${body.slice(0, 300)}`),
            );
        });
      });
      sent.on("error", reject);
      sent.end();
    });
  }

  /** Ends it and takes away what it was given. */
  async remove(): Promise<void> {
    await this.#process?.stop("SIGKILL");
    rmSync(this.#directory, { recursive: true, force: true });
    const { system, namespace } = this;
    await kubectl(this.#cluster, ["delete", "clusterrole,clusterrolebinding", system, "--ignore-not-found"]);
    await kubectl(this.#cluster, ["delete", "namespace", system, namespace, "--wait=false", "--ignore-not-found"]);
  }
}
