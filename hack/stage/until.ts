import { systemClock } from "#base/clock.ts";
import { HoldfastError, messageOf } from "#base/errors.ts";

const STEP_MS = 100;

/**
 * Asks `probe` until it gives something, and returns that. A probe that throws is asked again; the error after `seconds`
 * names `what` and the last failure.
 */
export async function until<T>(what: string, seconds: number, probe: () => Promise<T | undefined | false>): Promise<T> {
  const deadline = systemClock.monotonic() + seconds * 1000;
  let last = "";
  for (;;) {
    try {
      const answer = await probe();
      if (answer !== undefined && answer !== false) return answer;
      last = "";
    } catch (error) {
      last = messageOf(error);
    }
    if (systemClock.monotonic() > deadline) {
      throw new HoldfastError("demo/timeout", `${what}: not within ${seconds} s${last && `, ${last}`}`);
    }
    await systemClock.sleep(STEP_MS);
  }
}
