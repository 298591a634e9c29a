import type { Clock } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import { Backoff } from "../kube/backoff.ts";
import { isConflict, isTransient } from "../kube/kube-error.ts";

const PLAN = { firstMs: 250, factor: 2, longestMs: 15_000, forgetAfterMs: 120_000 };
/** Conflicts in a row after which somebody else seems to write without end. */
const CONFLICTS = 10;

/**
 * Does `attempt` until it succeeds: again at once after a conflict (`attempt` reads what it computes from), after a
 * growing delay when `mayPass` says so (by default: the API server does not answer, or asks for patience), until the
 * signal aborts. Every other error is thrown. `fresh` is false the first time: then a cache will do.
 */
export async function persist<T>(
  parts: { readonly clock: Clock; readonly random: Random },
  signal: AbortSignal,
  attempt: (fresh: boolean) => Promise<T>,
  mayPass: (error: unknown) => boolean = isTransient,
): Promise<T> {
  const backoff = new Backoff(PLAN, parts.random);
  for (let conflicts = 0, fresh = false; ; fresh = true) {
    try {
      return await attempt(fresh);
    } catch (error) {
      signal.throwIfAborted();
      if (isConflict(error) && ++conflicts % CONFLICTS !== 0) continue;
      if (!mayPass(error) && !isConflict(error)) throw error;
      await parts.clock.sleep(backoff.next(parts.clock.monotonic()), signal);
    }
  }
}
