import { current, history, type Outcome } from "./history.ts";
import { Killed } from "./process.ts";
import { describe } from "./world.ts";

export interface RunOptions {
  readonly from: number;
  readonly seeds: number;
  /** The command that replays; `--seed N` is added. */
  readonly replay: string;
  readonly say: (line: string) => void;
  readonly trace: boolean;
  readonly stopAtFirst: boolean;
}

/** Histories from one seed on; says what failed and how to see it again. Returns how many failed. */
export async function runHistories({ from, seeds, replay, say, trace, stopAtFirst }: RunOptions): Promise<number> {
  // A promise that nobody waits for, and a microtask: in a real process either is its end.
  const stray = (error: unknown) => {
    if (!(error instanceof Killed)) current.ledger?.fail(`nobody caught ${describe(error)}`);
  };
  process.on("uncaughtException", stray);
  process.on("unhandledRejection", stray);
  // Most errors of a history are its business as usual, and nobody reads where they come from.
  if (!trace) Error.stackTraceLimit = 3;
  const outcomes: Omit<Outcome, "wrong">[] = [];
  let failed = 0;
  const cpu = process.cpuUsage();
  for (let seed = from; seed < from + seeds; seed++) {
    const outcome = await history(seed, trace ? say : undefined);
    outcomes.push(outcome);
    if (outcome.wrong.length === 0) continue;
    failed++;
    say(`seed ${seed} does not hold (${replay} --seed ${seed} --trace):`);
    for (const wrong of outcome.wrong) say(`  ${wrong}`);
    if (stopAtFirst) break;
  }
  const { user, system } = process.cpuUsage(cpu);
  const sum = (of: (outcome: Omit<Outcome, "wrong">) => number) =>
    outcomes.reduce((total, each) => total + of(each), 0);
  const hours = (ms: number) => `${(ms / 3_600_000).toFixed(1)} h`;
  say(
    `${outcomes.length} histories, ${failed} failed; ${hours(sum((o) => o.faultyMs))} of faults and ${hours(sum((o) => o.quietMs))} of rest; ` +
      `${sum((o) => o.counts.sessions)} sessions, ${sum((o) => o.counts.agents)} agents, ${sum((o) => o.counts.restics)} snapshots, ${sum((o) => o.events)} events; ` +
      `${((user + system) / 1000 / outcomes.length).toFixed(1)} ms of CPU a history`,
  );
  return failed;
}
