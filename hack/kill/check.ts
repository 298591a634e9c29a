import { checkFencing } from "./check-fencing.ts";
import { checkLives } from "./check-lives.ts";
import { checkResults } from "./check-results.ts";
import type { History, Violation } from "./history.ts";

/** What is wrong with a history; empty when every promise was kept. */
export function check(history: History): Violation[] {
  return [...checkLives(history), ...checkResults(history), ...checkFencing(history), ...checkLeftovers(history)];
}

function checkLeftovers({ locks, faults, leftovers }: History): Violation[] {
  // restic removes its own lock unless it is killed; who removes that of a dead one has to be sure of it.
  const killed = new Set(faults.filter(({ signal }) => signal === "SIGKILL").flatMap(({ pids }) => pids));
  const stale = locks.filter(({ pid }) => !killed.has(pid));
  return [
    ...stale.map(({ id, pid }) => ({ rule: "lock", subject: id, message: `of restic ${pid}, which nobody killed` })),
    ...leftovers.map((message) => ({ rule: "leftover", subject: "-", message })),
  ];
}
