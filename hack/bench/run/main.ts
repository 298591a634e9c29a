import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { systemClock } from "#base/clock.ts";
import { HoldfastError } from "#base/errors.ts";
import type { BackupRun } from "#crds/backuprun.ts";
import type { Repository } from "#crds/repository.ts";
import { startCluster } from "../../cluster/cluster.ts";
import { applyCRDs } from "../../cluster/crds.ts";
import { createRun } from "../../demo/back-up.ts";
import { enrol } from "../../demo/enrol.ts";
import { say } from "../../demo/narrator.ts";
import type { Machine } from "../../stage/machine.ts";
import { Stage } from "../../stage/stage.ts";
import { until } from "../../stage/until.ts";
import { type Request, readAudit, writes } from "./audit.ts";
import { calls, recorder } from "./calls.ts";
import { connectionsTo, residentMiB } from "./sockets.ts";

/**
 * What one run costs: API writes, requests, connections, the way from kubectl to restic and back, and what the agent adds
 * to restic. Prints a table for docs/benchmarks.md.
 */
const LONE_RUNS = 4;
const QUICK_RUNS = 20;
const PAIRS = 5;
const FILES = 20_000;
/** Aggregates are written at most every 10 s; after this long nothing of a run is still to be written. */
const SETTLE_MS = 12_000;

const exec = promisify(execFile);
const cluster = await startCluster({ report: say });
await applyCRDs(cluster);
const stage = await Stage.set({ cluster, namespace: "bench", system: "bench-system", resticOfAgents: recorder });
try {
  await enrol(stage, FILES);
  const [web1] = stage.machines as [Machine];
  const tiny = join(web1.root, "srv/tiny");
  mkdirSync(tiny);
  for (let i = 0; i < 10; i++) writeFileSync(join(tiny, `${i}.txt`), `file ${i}`);
  await stage.apply(policy("tiny", "/srv/tiny"));
  await stage.kubectl(["wait", "--for=condition=Ready", "--timeout=30s", "backuppolicy/tiny"]);
  await run("tiny"); // The first one fills restic's cache.
  await systemClock.sleep(SETTLE_MS);

  say("lone runs");
  const before = audit().length;
  for (let i = 0; i < LONE_RUNS; i++) {
    await run("tiny");
    await systemClock.sleep(SETTLE_MS);
  }
  const lone = audit().slice(before);

  say("runs one after the other");
  const quickFrom = audit().length;
  const quick: Timing[] = [];
  for (let i = 0; i < QUICK_RUNS; i++) quick.push(await run("tiny"));
  await systemClock.sleep(SETTLE_MS);
  const many = audit().slice(quickFrom);

  say("a large tree, with and without the agent");
  await run("www");
  const pairs: { agent: Timing; bare: number }[] = [];
  for (let i = 0; i < PAIRS; i++) pairs.push({ agent: await run("www"), bare: await bareBackup() });

  const port = Number(new URL(stage.cluster.server).port);
  const operator = (request: Request) => request.user.includes("holdfast-operator");
  const rows: [string, string][] = [
    ["API writes of a lone run, its deletion included", perRun(writes(lone).length, LONE_RUNS)],
    ["… of which by resource", breakdown(writes(lone), LONE_RUNS)],
    ["API writes of a run, 20 runs one after the other", perRun(writes(many).length, QUICK_RUNS)],
    [
      "operator's requests of a lone run (watches and Leases apart)",
      perRun(lone.filter((r) => operator(r) && r.verb !== "watch" && r.resource !== "leases").length, LONE_RUNS),
    ],
    ["operator's connections to the API server", String(connectionsTo(stage.operator.pid, port))],
    ["kubectl create answered to first restic process, ms", spread(quick.map((t) => t.firstRestic - t.created))],
    ["kubectl create answered to restic backup, ms", spread(quick.map((t) => t.backupStarted - t.created))],
    ["restic backup's end to final status, ms", spread(quick.map((t) => t.final - t.backupEnded))],
    ["kubectl create answered to final status, ms", spread(quick.map((t) => t.final - t.created))],
    [
      "restic backup by the agent, 20,000 files unchanged, ms",
      spread(pairs.map(({ agent }) => agent.backupEnded - agent.backupStarted)),
    ],
    ["the same command without the agent, ms", spread(pairs.map(({ bare }) => bare))],
    [
      "ratio agent / bare",
      spread(
        pairs.map(({ agent, bare }) => (agent.backupEnded - agent.backupStarted) / bare),
        3,
      ),
    ],
    ["operator's RSS, MiB", residentMiB(stage.operator.pid).toFixed(0)],
    ["agent's RSS, MiB", residentMiB(web1.agent.pid).toFixed(0)],
  ];
  console.log(
    `\n${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB; min / median / max where there are three figures\n`,
  );
  console.log("| what | figure |\n|---|---|");
  for (const [what, figure] of rows) console.log(`| ${what} | ${figure} |`);
} finally {
  await stage.strike();
  await cluster.stop();
}

interface Timing {
  created: number;
  firstRestic: number;
  backupStarted: number;
  backupEnded: number;
  final: number;
}

function audit(): Request[] {
  return readAudit(stage.cluster.auditLog);
}

/** One run from kubectl create to its final status, timed by the audit log and by restic's calls. */
async function run(of: string): Promise<Timing> {
  const name = await createRun(stage, (object) => {
    object.metadata.generateName = `${of}-`;
    object.spec.policyRef = of;
  });
  await until(`${name} ends`, 120, async () => {
    const { status } = await stage.get<BackupRun>("backuprun", name);
    if (status?.phase === "Failed") throw new HoldfastError("bench/failed", `${name}: ${status.message}`);
    return status?.phase === "Succeeded";
  });
  const requests = audit().filter((request) => request.resource === "backupruns" && request.code < 300);
  const create = requests.findLast((request) => request.verb === "create");
  const final = requests.findLast((request) => request.subresource === "status" && request.name === name);
  if (create === undefined || final === undefined)
    throw new HoldfastError("bench/audit", `the audit log lacks ${name}`);
  const mine = calls(stage.directory).filter((call) => call.started > create.received);
  const backup = mine.find((call) => call.arguments.includes("backup"));
  if (backup === undefined || mine[0] === undefined)
    throw new HoldfastError("bench/calls", `no restic was seen for ${name}`);
  return {
    created: create.answered,
    firstRestic: mine[0].started,
    backupStarted: backup.started,
    backupEnded: backup.ended,
    final: final.answered,
  };
}

/** The agent's last backup command again, without an agent; milliseconds. */
async function bareBackup(): Promise<number> {
  const last = calls(stage.directory).findLast((call) => call.arguments.includes("backup"));
  if (last === undefined) throw new HoldfastError("bench/calls", "the agent has made no backup yet");
  const { status } = await stage.get<Repository>("repository", "offsite");
  const environment = stage.resticEnvironment(join(stage.directory, "web-1/cache", status!.repositoryID!));
  const started = systemClock.monotonic();
  await exec(stage.restic.program, last.arguments, { env: environment, maxBuffer: 2 ** 26 });
  return systemClock.monotonic() - started;
}

function policy(name: string, path: string): string {
  return JSON.stringify({
    apiVersion: "holdfast.dev/v1alpha1",
    kind: "BackupPolicy",
    metadata: { name },
    spec: { hosts: { names: ["web-1"] }, repository: { name: "offsite" }, files: { paths: [path] } },
  });
}

function perRun(count: number, runs: number): string {
  return (count / runs).toFixed(2);
}

function breakdown(requests: Request[], runs: number): string {
  const groups = Map.groupBy(requests, ({ verb, resource, subresource }) =>
    [verb, [resource, subresource].filter(Boolean).join("/")].join(" "),
  );
  return [...groups].map(([what, of]) => `${what} ${perRun(of.length, runs)}`).join(", ");
}

/** min / median / max */
function spread(values: number[], digits = 0): string {
  const sorted = values.toSorted((a, b) => a - b);
  const figures = [sorted[0]!, sorted[Math.floor(sorted.length / 2)]!, sorted.at(-1)!];
  return figures.map((value) => value.toFixed(digits)).join(" / ");
}
