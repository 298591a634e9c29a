import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Registry } from "prom-client";
import { systemClock } from "#base/clock.ts";
import { secret, systemRandom } from "#base/random.ts";
import { sha256 } from "#protocol/canonical.ts";
import { formatCredential } from "#protocol/enroll.ts";
import type { Identity } from "../../../agent/link/core.ts";
import type { LinkSettings } from "../../../agent/link/link-state.ts";
import { Hosts } from "../../../operator/controllers/kinds.ts";
import { credentialSecret } from "../../../operator/hub/credential-secret.ts";
import { HttpClient } from "../../../operator/kube/client.ts";
import { loadConnection } from "../../../operator/kube/connection.ts";
import type { Log } from "../../../operator/kube/log.ts";
import { kubeMetrics } from "../../../operator/kube/metrics.ts";
import { Secrets } from "../../../operator/kube/resource.ts";
import type { ForWorker, FromWorker } from "./messages.ts";

const AGENTS_A_WORKER = 500;
const AT_ONCE = 32;
const WORKER = fileURLToPath(new URL("worker/main.ts", import.meta.url));
const quiet: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };

/** Hosts `sim-0001` and on, each with a credential as an enrolment writes it; the first `batch` carry the label batch=yes. */
export async function createHosts(
  kubeconfig: string,
  namespace: string,
  options: { count: number; batch: number },
): Promise<Omit<Identity, "endpoint" | "ca" | "clusterID">[]> {
  const parts = { clock: systemClock, random: systemRandom, log: quiet, metrics: kubeMetrics(new Registry()) };
  const connection = await loadConnection({ kubeconfig, env: {}, clock: systemClock });
  const client = new HttpClient({ ...parts, connection, userAgent: "holdfast-bench" });
  const identities: Omit<Identity, "endpoint" | "ca" | "clusterID">[] = [];
  const create = async (index: number) => {
    const name = `sim-${String(index + 1).padStart(4, "0")}`;
    const labels: { [name: string]: string } = index < options.batch ? { batch: "yes" } : {};
    const host = await client.create(Hosts, { metadata: { namespace, name, labels }, spec: {} });
    const own = secret();
    const enrolledTime = new Date(systemClock.now()).toISOString();
    await client.create(Secrets, credentialSecret(host, { hash: sha256(own), enrolledTime }));
    const credential = formatCredential({ namespace, host: name, secret: own });
    identities.push({ host: { uid: host.metadata.uid, namespace, name }, credential, ticket: "", highestEpoch: 0 });
  };
  let next = 0;
  const lane = async () => {
    for (let index = next++; index < options.count; index = next++) await create(index);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  await client.close();
  return identities;
}

/** All simulated agents, in processes of their own. */
export class Fleet {
  readonly #workers: ChildProcess[] = [];

  /** Every agent begins to dial, each within settings.firstDelayMs. */
  async start(identities: readonly Identity[], settings: Partial<LinkSettings>): Promise<void> {
    for (let from = 0; from < identities.length; from += AGENTS_A_WORKER) {
      const worker = fork(WORKER, { execArgv: [] });
      this.#workers.push(worker);
      await tell(worker, { type: "start", identities: identities.slice(from, from + AGENTS_A_WORKER), settings });
    }
  }

  async ask(): Promise<FromWorker> {
    const all = await Promise.all(this.#workers.map((worker) => tell(worker, { type: "ask" })));
    const sum = (of: (one: FromWorker) => number) => all.reduce((total, one) => total + of(one), 0);
    const reasons: { [reason: string]: number } = {};
    for (const one of all) {
      for (const [reason, count] of Object.entries(one.reasons)) reasons[reason] = (reasons[reason] ?? 0) + count;
    }
    return {
      connected: sum(({ connected }) => connected),
      configs: sum(({ configs }) => configs),
      resolved: sum(({ resolved }) => resolved),
      configBytes: sum(({ configBytes }) => configBytes),
      runs: sum(({ runs }) => runs),
      since: all.flatMap(({ since }) => since),
      reasons,
    };
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.#workers.map(async (worker) => {
        if (worker.exitCode !== null || worker.signalCode !== null) return;
        const exit = once(worker, "exit");
        worker.kill("SIGKILL");
        await exit;
      }),
    );
  }
}

async function tell(worker: ChildProcess, message: ForWorker): Promise<FromWorker> {
  const answer = once(worker, "message");
  worker.send(message);
  return (await answer)[0] as FromWorker;
}
