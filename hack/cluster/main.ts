import { messageOf } from "#base/errors.ts";
import { type RunningCluster, standingClusters, startStanding, stopStanding } from "./cluster.ts";
import { applyCRDs } from "./crds.ts";

const usage = `usage: npm run cluster -- start | stop | status

  start   brings up a private control plane with the CRDs of crds/ that stays until it is stopped
  stop    takes it down and removes everything of it
  status  says whether one is up, and how to use it`;

try {
  const [command, ...rest] = process.argv.slice(2);
  if (rest.length > 0) throw new Error(`too many arguments: ${rest.join(" ")}\n${usage}`);
  if (command === "start") await start();
  else if (command === "stop") await stop();
  else if (command === "status") status();
  else throw new Error(command === undefined ? usage : `unknown command ${command}\n${usage}`);
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = 1;
}

async function start(): Promise<void> {
  const [running] = standingClusters();
  if (running !== undefined) {
    console.error("cluster: one is up already");
    return explain(running);
  }
  const started = performance.now();
  const cluster = await startStanding({ report: (line) => console.error(line) });
  await applyCRDs(cluster);
  console.error(`cluster: up in ${((performance.now() - started) / 1000).toFixed(1)} s`);
  explain(cluster);
}

async function stop(): Promise<void> {
  const running = standingClusters();
  for (const { directory } of running) await stopStanding(directory);
  console.error(running.length === 0 ? "cluster: none is up" : "cluster: stopped, nothing of it is left");
}

function status(): void {
  const running = standingClusters();
  if (running.length === 0) {
    console.error("cluster: none is up; `npm run cluster -- start` brings one up");
    process.exitCode = 3; // as `systemctl status` does for a unit that does not run
  }
  for (const cluster of running) explain(cluster);
}

/** What goes to standard output is shell, so that eval "$(...)" works. */
function explain({ server, auditLog, kubectl, environment }: RunningCluster): void {
  console.error(`cluster: ${server}, audit log ${auditLog}`);
  for (const [name, value] of Object.entries(environment)) console.log(`export ${name}=${quote(value)}`);
  console.log(`alias kubectl=${quote(kubectl)}`);
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
