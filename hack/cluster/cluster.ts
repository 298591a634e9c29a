import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { systemClock } from "#base/clock.ts";
import { HoldfastError } from "#base/errors.ts";
import { ensureTools } from "../tools/tools.ts";
import { compact } from "./etcd.ts";
import { kubeconfig } from "./kubeconfig.ts";
import { layoutOf } from "./layout.ts";
import { findClusters, remove, sweep } from "./leftovers.ts";
import type { Description, Restartable } from "./messages.ts";
import { issue } from "./pki.ts";
import { Supervisor } from "./supervisor-handle.ts";

const STOPPED_WITHIN_MS = 20_000;

/** A control plane as any process on this machine can use it that may read its folder. */
export interface RunningCluster {
  /** https://127.0.0.1:<port> */
  readonly server: string;
  /** The private folder; gone after stop. */
  readonly directory: string;
  /** Path of the admin's kubeconfig (group system:masters). */
  readonly kubeconfig: string;
  /** PEM of the authority that signed the API server's certificate. */
  readonly ca: string;
  /** One JSON object (audit.k8s.io/v1 Event, level Metadata) a line, one a request, written when it is answered. */
  readonly auditLog: string;
  /** Path of kubectl. Run it with `environment`. */
  readonly kubectl: string;
  /** What kubectl needs: the admin's kubeconfig and a cache that goes with the cluster. */
  readonly environment: { KUBECONFIG: string; KUBECACHEDIR: string };
  /** Path of a kubeconfig with a client certificate of its own. RBAC knows the user and groups by these names. */
  kubeconfigFor(user: string, groups?: string[]): Promise<string>;
  /**
   * Compacts etcd at its current revision, which it returns. An older `continue` is 410 Gone as soon as the API server's
   * cache notices, which takes it up to 15 s; an older watch only after a restart of the API server, whose cache holds it.
   */
  compactEtcd(): Promise<number>;
}

/** A control plane of this process: it ends with the process. */
export interface Cluster extends RunningCluster {
  /** Ends the API server and resolves when it has. SIGTERM ends watches cleanly, SIGKILL cuts the connections. */
  stopApiServer(signal?: "SIGTERM" | "SIGKILL"): Promise<void>;
  /** Starts the API server again on the same port with the same data; resolves when it is ready. */
  startApiServer(): Promise<void>;
  /** The same for etcd, whose data survives its process. The API server waits for it; do not start that one meanwhile. */
  stopEtcd(signal?: "SIGTERM" | "SIGKILL"): Promise<void>;
  startEtcd(): Promise<void>;
  /** Freezes a server and lets it go on. */
  signal(server: Restartable, signal: "SIGSTOP" | "SIGCONT"): Promise<void>;
  /** Ends everything and deletes the folder; resolves when that is done. */
  stop(): Promise<void>;
}

export interface StartOptions {
  /** Gets progress and bad news, a line a time. */
  report(line: string): void;
}

/**
 * Starts a private control plane (etcd, kube-apiserver, kube-controller-manager) on loopback, first removing what is left
 * of earlier ones. It goes away with stop() or with this process, whatever ends it.
 */
export async function startCluster({ report }: StartOptions): Promise<Cluster> {
  const supervisor = await launch(false, report);
  return {
    ...attach(supervisor.directory),
    stopApiServer: (signal = "SIGTERM") => supervisor.order({ type: "stop", server: "kube-apiserver", signal }),
    startApiServer: () => supervisor.order({ type: "restart", server: "kube-apiserver" }),
    stopEtcd: (signal = "SIGTERM") => supervisor.order({ type: "stop", server: "etcd", signal }),
    startEtcd: () => supervisor.order({ type: "restart", server: "etcd" }),
    signal: (server, signal) => supervisor.order({ type: "signal", server, signal }),
    stop: () => supervisor.stop(),
  };
}

/** Like startCluster, but the control plane stays when this process ends, until stopStanding. */
export async function startStanding({ report }: StartOptions): Promise<RunningCluster> {
  const supervisor = await launch(true, report);
  supervisor.release();
  return attach(supervisor.directory);
}

/** The control planes of this user that were started to stay. */
export function standingClusters(): RunningCluster[] {
  return findClusters()
    .filter(({ directory, alive }) => alive && describe(directory)?.standing === true)
    .map(({ directory }) => attach(directory));
}

/** Ends the standing control plane in `directory` and resolves when nothing of it is left. */
export async function stopStanding(directory: string): Promise<void> {
  const supervisor = () => findClusters().find((found) => found.directory === directory && found.alive)?.supervisor;
  const deadline = systemClock.monotonic() + STOPPED_WITHIN_MS;
  for (let pid = supervisor(), signal: NodeJS.Signals = "SIGTERM"; pid !== undefined; pid = supervisor()) {
    process.kill(pid, signal);
    await systemClock.sleep(50);
    if (systemClock.monotonic() > deadline) signal = "SIGKILL";
  }
  // A supervisor that was killed meanwhile has removed nothing.
  await remove(directory, systemClock);
}

/** The running control plane whose folder is `directory`, for a process other than the one that started it. */
export function attach(directory: string): RunningCluster {
  const description = describe(directory);
  if (description === undefined) {
    throw new HoldfastError(
      "cluster/none",
      `no control plane is up in ${directory}: it was stopped, or its owner ended`,
    );
  }
  const layout = layoutOf(directory);
  const { server, kubectl } = description;
  const ca = readFileSync(layout.authority, "utf8");
  return {
    server,
    directory,
    ca,
    kubectl,
    kubeconfig: layout.kubeconfig,
    auditLog: layout.auditLog,
    environment: { KUBECONFIG: layout.kubeconfig, KUBECACHEDIR: layout.kubectlCache },
    async kubeconfigFor(user, groups = []) {
      const authority = { cert: ca, key: readFileSync(layout.authorityKey, "utf8") };
      const client = await issue(authority, { commonName: user, organizations: groups }, systemClock.now());
      const name = createHash("sha256")
        .update(JSON.stringify([user, groups]))
        .digest("hex")
        .slice(0, 16);
      const path = `${directory}/${name}.kubeconfig`;
      writeFileSync(path, kubeconfig(server, ca, user, client), { mode: 0o600 });
      return path;
    },
    compactEtcd: () => compact(layout.etcdSocket),
  };
}

async function launch(standing: boolean, report: (line: string) => void): Promise<Supervisor & { directory: string }> {
  const programs = await ensureTools(["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"], { report });
  for (const directory of await sweep(systemClock))
    report(`cluster: removed ${directory}, left behind by a process that was killed`);
  return Supervisor.start(programs, standing, report);
}

function describe(directory: string): Description | undefined {
  const path = layoutOf(directory).description;
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Description) : undefined;
}
