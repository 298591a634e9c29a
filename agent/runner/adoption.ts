import type { Journal, JournalRun } from "../state/journal.ts";

/** Whether a former process left an attempt that may have a living restic. */
export function leftRunning(journal: Pick<Journal, "attempts" | "steps">, uid: string): boolean {
  const last = journal.attempts(uid).at(-1);
  // An attempt without a step never came to its restic: a disk that failed, a crash just before.
  return last !== undefined && last.finished === undefined && journal.steps(uid, last.attempt).length > 0;
}

/** In which order a new process goes on with `unfinished`: those whose restic may be running have their lane already. */
export function adoptionOrder(
  journal: Pick<Journal, "attempts" | "steps">,
  unfinished: readonly JournalRun[],
): JournalRun[] {
  const running = new Set(unfinished.filter(({ uid }) => leftRunning(journal, uid)));
  return [...running, ...unfinished.filter((run) => !running.has(run))];
}
