import { type ChildProcess, spawn } from "node:child_process";
import { request } from "node:https";
import { fileURLToPath } from "node:url";
import { systemClock as clock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import type { RunningCluster } from "../../hack/cluster/cluster.ts";
import { kubectl } from "../../hack/cluster/kubectl.ts";
import { freePort } from "../../hack/cluster/ports.ts";
import { probe } from "../../hack/cluster/probe.ts";
import type { TestNamespace } from "../namespace.ts";

const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));

/** The operator's ServiceAccount as RBAC sees it; a client certificate of this name stands for its token. */
export const OPERATOR_USER = "system:serviceaccount:holdfast-system:holdfast-operator";
export const OPERATOR_GROUPS = [
  "system:serviceaccounts",
  "system:serviceaccounts:holdfast-system",
  "system:authenticated",
];
const START_MS = 60_000;

/** The real operator as a process of its own, with the rights of charts/holdfast/rbac and no others. */
export interface OperatorProcess {
  /** https://127.0.0.1:<port> */
  readonly url: string;
  readonly port: number;
  /** The authority's certificate, PEM, from the installation Secret. */
  readonly ca: string;
  /** What it has logged so far. */
  log(): string;
  /** Ends it and resolves with its exit code (null after SIGKILL). */
  stop(signal?: "SIGTERM" | "SIGKILL"): Promise<number | null>;
  /** Freezes it, and lets it go on. */
  signal(signal: "SIGSTOP" | "SIGCONT"): void;
  /** Starts it again at the same address; resolves when it is ready. */
  start(): Promise<void>;
}

/**
 * Grants the operator its rights in `namespace`, which is both its own and the one it watches, and starts it. `settings`:
 * more of its environment.
 */
export async function startOperator(
  cluster: RunningCluster,
  namespace: string,
  settings: Record<string, string> = {},
): Promise<OperatorProcess> {
  for (const part of ["operator/clusterrole.yaml", "operator/role.yaml", "watched"]) {
    await kubectl(cluster, ["--namespace", namespace, "apply", "-f", path(`charts/holdfast/rbac/${part}`)]);
  }
  const kubeconfig = await cluster.kubeconfigFor(OPERATOR_USER, OPERATOR_GROUPS);
  const port = await freePort(systemRandom);
  const url = `https://127.0.0.1:${port}`;
  let child: ChildProcess | undefined;
  let log = "";
  let ca = "";

  const start = async () => {
    const started = spawn(process.execPath, [path("operator/main.ts")], {
      env: {
        PATH: process.env["PATH"],
        KUBECONFIG: kubeconfig,
        HOLDFAST_NAMESPACE: namespace,
        HOLDFAST_WATCH_NAMESPACES: namespace,
        HOLDFAST_LISTEN: `127.0.0.1:${port}`,
        HOLDFAST_PUBLIC_URL: url,
        HOLDFAST_REPLICA: "test",
        HOLDFAST_LOG_LEVEL: "debug",
        ...settings,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    child = started;
    for (const stream of [started.stdout, started.stderr]) {
      stream.setEncoding("utf8").on("data", (chunk: string) => {
        log += chunk;
      });
    }
    const deadline = clock.monotonic() + START_MS;
    // Who answers is not asked.
    while ((await probe(request, { host: "127.0.0.1", port, path: "/readyz", rejectUnauthorized: false })) !== 200) {
      if (started.exitCode !== null || clock.monotonic() > deadline) {
        started.kill("SIGKILL");
        throw new Error(`the operator did not become ready; it logged:\n${log.slice(-8000)}`);
      }
      await clock.sleep(25);
    }
    const installation = await kubectl(cluster, [
      "--namespace",
      namespace,
      "get",
      "secret",
      "holdfast-installation",
      "-o",
      "json",
    ]);
    ca = Buffer.from(JSON.parse(installation).data["ca.crt"], "base64").toString("utf8");
  };
  await start();
  return {
    url,
    port,
    get ca() {
      return ca;
    },
    log: () => log,
    stop(signal = "SIGTERM") {
      const stopping = child;
      if (stopping === undefined || stopping.exitCode !== null || stopping.signalCode !== null) {
        return Promise.resolve(stopping?.exitCode ?? null);
      }
      const ended = new Promise<number | null>((resolve) => stopping.once("exit", (code) => resolve(code)));
      stopping.kill(signal);
      return ended;
    },
    signal: (signal) => void child?.kill(signal),
    start,
  };
}

/** Waits until `ask` gives something; throws with `what` after a time that is long for this machine. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined> | T | undefined,
  withinMs = 30_000,
): Promise<T> {
  const deadline = clock.monotonic() + withinMs;
  for (;;) {
    const got = await ask();
    if (got !== undefined) return got;
    if (clock.monotonic() > deadline) throw new Error(`waited ${withinMs} ms in vain for ${what}`);
    await clock.sleep(25);
  }
}

/** Waits until a condition of an object is what `want` says, `<status> <reason>`. */
export function condition(at: TestNamespace, kind: string, name: string, type: string, want: string): Promise<true> {
  return until(`${type} of ${kind} ${name} to be ${want}`, async () => {
    const { status } = await at.get(kind, name);
    const found = status?.conditions?.find((one: { type: string }) => one.type === type);
    return found && `${found.status} ${found.reason}` === want ? true : undefined;
  });
}
