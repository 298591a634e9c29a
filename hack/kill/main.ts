import { copyFileSync, mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { systemClock } from "#base/clock.ts";
import { messageOf } from "#base/errors.ts";
import { sweepStages } from "../stage/stage.ts";
import { type Fault, type Violation, wordsOf } from "./history.ts";
import { planRound } from "./plan.ts";
import { type Scene, setScene } from "./scene.ts";
import { Session } from "./session.ts";

const usage = `node hack/kill/main.ts [--kills N] [--seed N] [--replicas N] [--hosts N] [--size N]

Kills and freezes operators, agents, restics, the API server and etcd while real backups and restores go on, then
checks that no result was lost or is false. The same seed plans the same faults; what they meet is up to the machine.

  --kills N     how many faults (50)
  --seed N      of the plan (1)
  --replicas N  of the operator (3)
  --hosts N     with an agent each (2)
  --size N      faults planned for a round (16)`;

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "50" },
    seed: { type: "string", default: "1" },
    replicas: { type: "string", default: "3" },
    hosts: { type: "string", default: "2" },
    size: { type: "string", default: "16" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(usage);
  process.exit(0);
}
const number = (name: Exclude<keyof typeof values, "help">): number => {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value >= 1 && value <= 100_000) return value;
  console.error(`--${name} ${values[name]}: write a whole number from 1 to 100000\n\n${usage}`);
  process.exit(2);
};
const kills = number("kills");
const seed = number("seed");
const size = number("size");

const began = systemClock.monotonic();
const say = (line: string) =>
  console.log(`${((systemClock.monotonic() - began) / 1000).toFixed(1).padStart(7)}  ${line}`);
const violations = new Set<string>();
let scene: Scene | undefined;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(signal, () => void Promise.resolve(scene?.strike()).then(() => process.exit(130)));

try {
  for (const folder of await sweepStages()) say(`removed ${folder}, left behind by one that was killed`);
  scene = await setScene(number("replicas"), number("hosts"), say);
  say(`${values.replicas} replicas, ${values.hosts} hosts and a control plane are up; seed ${seed}`);
  await play(scene);
} catch (error) {
  say(messageOf(error));
  process.exitCode = 1;
} finally {
  await scene?.strike();
}
// Not by running out of work: with sockets that were cut in all these ways Node 24 may spin for ever as it winds up.
process.exit();

async function play(on: Scene): Promise<void> {
  const session = await Session.begin(on, say);
  try {
    let stuck = false;
    for (let round = 0; session.faults.length < kills && !stuck; round++) {
      say(`round ${round}, ${session.faults.length} of ${kills} faults so far`);
      const judged = await session.round(planRound(seed, round, size));
      take(judged.violations);
      stuck = judged.stuck;
    }
    if (!stuck) take(await session.end());
  } finally {
    summarize(session.faults, session.missed);
    if (violations.size > 0) {
      process.exitCode = 1;
      say(`${violations.size} violations; everything to look at is in ${keep(on, session.faults)}`);
    }
  }
  if (violations.size === 0) say("every result is there once and true");
}

function take(found: readonly Violation[]): void {
  for (const one of found) {
    const words = wordsOf(one);
    if (!violations.has(words)) say(`VIOLATION ${words}`);
    violations.add(words);
  }
}

function summarize(faults: readonly Fault[], missed: number): void {
  const counts = Map.groupBy(faults, ({ target, signal, point }) => `${target} ${signal} ${point}`);
  for (const [what, of] of [...counts].toSorted(([a], [b]) => (a < b ? -1 : 1)))
    say(`${String(of.length).padStart(5)}  ${what}`);
  const each = (systemClock.monotonic() - began) / 1000 / Math.max(1, faults.length);
  say(`${faults.length} faults, ${missed} planned ones whose point did not come; ${each.toFixed(1)} s for each`);
}

/** Copies the logs and the history to a folder that stays. */
function keep({ stage, history, stations }: Scene, faults: readonly Fault[]): string {
  const folder = mkdtempSync(join(tmpdir(), `holdfast-kill-${seed}-`));
  for (const file of readdirSync(stage.directory).filter((name) => name.endsWith(".log")))
    copyFileSync(join(stage.directory, file), join(folder, file));
  const write = (name: string, value: unknown) =>
    writeFileSync(join(folder, name), JSON.stringify(value, undefined, 1));
  write("history.json", history.versions);
  write("faults.json", faults);
  write("violations.json", [...violations]);
  write("starts.json", Object.fromEntries(stations.map(({ machine, gate }) => [machine.name, gate.starts()])));
  return folder;
}
