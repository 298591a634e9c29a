import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock as clock } from "#base/clock.ts";
import { HoldfastError, messageOf } from "#base/errors.ts";
import { systemRandom } from "#base/random.ts";
import { startCluster } from "../../cluster/cluster.ts";
import { applyCRDs } from "../../cluster/crds.ts";
import { kubectl } from "../../cluster/kubectl.ts";
import { freePort } from "../../cluster/ports.ts";
import { say } from "../../demo/narrator.ts";
import { FaultProxy } from "../../fault-proxy/fault-proxy.ts";
import { Inspector } from "../../profile/inspector.ts";
import { Process } from "../../stage/process.ts";
import { operatorKubeconfig } from "../../stage/rbac.ts";
import { until } from "../../stage/until.ts";
import { residentMiB } from "../run/sockets.ts";
import { fill } from "./fill.ts";

/**
 * What caches cost: an operator is started on none and on so many objects (half Hosts, half ended BackupRuns; by default
 * 5000, else the numbers given). Prints a table for docs/benchmarks.md.
 */
const SETTLE_MS = 20_000;
const [NAMESPACE, SYSTEM] = ["bench", "bench-system"];
const MiB = 2 ** 20;

interface Figures {
  objects: number;
  /** From the start of the process until every cache is filled, and until it serves. */
  syncedMs: number;
  pages: number;
  receivedMiB: number;
  /** As soon as it serves, and when it has reconciled everything: RSS as it is, heap after a collection. */
  rssMiB: number;
  settledRssMiB: number;
  heapBytes: number;
  cpuSeconds: number;
}

async function measure(proxy: FaultProxy, kubeconfig: string, objects: number, directory: string): Promise<Figures> {
  const port = await freePort(systemRandom);
  const operator = new Process(
    [process.execPath, fileURLToPath(new URL("../../../operator/main.ts", import.meta.url))],
    {
      PATH: process.env["PATH"],
      NODE_OPTIONS: "--inspect-port=0",
      KUBECONFIG: proxy.kubeconfig(kubeconfig),
      HOLDFAST_NAMESPACE: SYSTEM,
      HOLDFAST_WATCH_NAMESPACES: NAMESPACE,
      HOLDFAST_LISTEN: `127.0.0.1:${port}`,
      HOLDFAST_PUBLIC_URL: `https://127.0.0.1:${port}`,
      HOLDFAST_REPLICA: "bench",
      HOLDFAST_LOG_LEVEL: "warn",
    },
    join(directory, "operator.log"),
  );
  proxy.forget();
  const started = clock.monotonic();
  operator.start();
  try {
    const watches = () => proxy.requests(({ verb, status }) => verb === "watch" && status === 200).length;
    // One watch for each of six kinds and for the Leases: each list before it is complete.
    await until("every cache is filled", 300, async () => {
      operator.expectRunning();
      return watches() >= 7;
    });
    const syncedMs = clock.monotonic() - started;
    const lists = proxy.requests(({ verb }) => verb === "list");
    const rssMiB = residentMiB(operator.pid);
    await clock.sleep(SETTLE_MS);
    await using inspector = await Inspector.open(operator.pid);
    await inspector.call("HeapProfiler.enable");
    for (let again = 0; again < 2; again++) await inspector.call("HeapProfiler.collectGarbage");
    const usage = "JSON.stringify([process.memoryUsage().heapUsed, process.cpuUsage()])";
    const { result } = await inspector.call<{ result: { value: string } }>("Runtime.evaluate", { expression: usage });
    const [heapBytes, cpu] = JSON.parse(result.value) as [number, { user: number; system: number }];
    return {
      objects,
      syncedMs,
      pages: lists.length,
      receivedMiB: lists.reduce((sum, { bytes }) => sum + bytes, 0) / MiB,
      rssMiB,
      settledRssMiB: residentMiB(operator.pid),
      heapBytes,
      cpuSeconds: (cpu.user + cpu.system) / 1e6,
    };
  } finally {
    await operator.stop("SIGKILL");
  }
}

async function main(): Promise<void> {
  const counts = (process.argv.length > 2 ? process.argv.slice(2) : ["5000"]).map(Number);
  if (!counts.every((count) => Number.isInteger(count) && count > 0 && count <= 1_000_000)) {
    throw new HoldfastError("bench/usage", "bench/objects [NUMBER ...]: how many objects, for example 5000 50000");
  }
  const directory = mkdtempSync(join(tmpdir(), "holdfast-bench-"));
  const figures: Figures[] = [];
  const cluster = await startCluster({ report: say });
  try {
    await applyCRDs(cluster);
    for (const namespace of [NAMESPACE, SYSTEM]) await kubectl(cluster, ["create", "namespace", namespace]);
    const kubeconfig = await operatorKubeconfig(cluster, SYSTEM, NAMESPACE);
    await using proxy = await FaultProxy.start({ cluster });
    figures.push(await measure(proxy, kubeconfig, 0, directory));
    for (const count of counts.toSorted((a, b) => a - b)) {
      say(`creating ${count} objects`);
      await fill(cluster.kubeconfig, NAMESPACE, figures.at(-1)?.objects ?? 0, count);
      figures.push(await measure(proxy, kubeconfig, count, directory));
    }
  } finally {
    await cluster.stop();
    rmSync(directory, { recursive: true, force: true });
  }
  const [base] = figures as [Figures];
  const perObject = ({ objects, heapBytes }: Figures) =>
    objects === 0 ? "" : ((heapBytes - base.heapBytes) / objects / 1024).toFixed(1);
  const rows: [string, (of: Figures) => string][] = [
    ["start of the process until every cache is filled, s", ({ syncedMs }) => (syncedMs / 1000).toFixed(1)],
    ["list requests (pages of 500)", ({ pages }) => String(pages)],
    ["received in lists, MiB", ({ receivedMiB }) => receivedMiB.toFixed(1)],
    ["RSS when the caches are filled, MiB", ({ rssMiB }) => rssMiB.toFixed(0)],
    ["RSS 20 s later, MiB", ({ settledRssMiB }) => settledRssMiB.toFixed(0)],
    ["heap then, after a collection, MiB", ({ heapBytes }) => (heapBytes / MiB).toFixed(0)],
    ["heap for each object, KiB", perObject],
    ["CPU until then, s", ({ cpuSeconds }) => cpuSeconds.toFixed(1)],
  ];
  console.log(`\n${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB; half Hosts, half ended BackupRuns\n`);
  console.log(
    `| objects | ${figures.map(({ objects }) => objects).join(" | ")} |\n|---|${figures.map(() => "---|").join("")}`,
  );
  for (const [what, of] of rows) console.log(`| ${what} | ${figures.map(of).join(" | ")} |`);
}

await main().catch((error: unknown) => {
  console.error(messageOf(error));
  process.exitCode = 1;
});
