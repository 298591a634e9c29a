import { cpus, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { startCluster } from "../../cluster/cluster.ts";
import { applyCRDs } from "../../cluster/crds.ts";
import { say } from "../../demo/narrator.ts";
import { benchAgents, type Phase, SETTLE_MS } from "./bench.ts";

/**
 * What a fleet costs one replica: simulated agents with the real link over real TLS against the real operator and a real API
 * server. Prints tables for docs/benchmarks.md. Where its CPU goes says `npm run profile -- cpu --pid` of the process named.
 */
const { values } = parseArgs({
  options: {
    agents: { type: "string", default: "2000" },
    batch: { type: "string", default: "50" },
  },
});
const agents = Number(values.agents);
const cluster = await startCluster({ report: say });
try {
  await applyCRDs(cluster);
  const phases = await benchAgents({
    cluster,
    agents,
    batch: Math.min(agents, Number(values.batch)),
    idleMs: 60_000,
    settleMs: SETTLE_MS,
    link: {},
    report: say,
  });
  print(phases);
} finally {
  await cluster.stop();
}

function print(phases: readonly Phase[]): void {
  const [connect] = phases;
  console.log(`\n${agents} agents; ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB\n`);
  console.log(
    "| phase | s | operator's CPU, s | API writes | per agent | most in 1 s | event loop p99, ms | RSS, MiB | heap, MiB |",
  );
  console.log("|---|---|---|---|---|---|---|---|---|");
  for (const phase of phases) {
    const { name, seconds, cpuSeconds, writes, peakWrites, after } = phase;
    const figures = [
      seconds.toFixed(0),
      cpuSeconds.toFixed(1),
      writes,
      (writes / agents).toFixed(2),
      peakWrites,
      after.eventLoopP99Ms.toFixed(0),
      after.residentMiB.toFixed(0),
      after.heapMiB.toFixed(0),
    ];
    console.log(`| ${[name, ...figures].join(" | ")} |`);
  }
  if (connect !== undefined) {
    const each = (after: number, before: number) => (((after - before) * 1024) / agents).toFixed(0);
    const { before, after } = connect;
    console.log(`\nbefore the agents: ${before.residentMiB.toFixed(0)} MiB RSS, ${before.heapMiB.toFixed(0)} MiB heap`);
    console.log(
      `a connection: ${each(after.residentMiB, before.residentMiB)} KiB RSS, ${each(after.heapMiB, before.heapMiB)} KiB heap`,
    );
  }
  for (const { name, configs, configBytes, writesBy } of phases) {
    const told = configs === 0 ? "" : `${configs} configurations of ${(configBytes / configs).toFixed(0)} bytes; `;
    console.log(`${name}: ${told}writes: ${writesBy || "none"}`);
  }
}
