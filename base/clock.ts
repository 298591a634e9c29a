/**
 * Time, injected everywhere so that a test or the simulation owns it. Wall time is for people and for the API; it jumps.
 * Every duration and deadline inside a process is measured on the monotonic part.
 */
export interface Clock {
  /** Milliseconds since 1970-01-01 UTC. May go backwards. */
  now(): number;
  /** Milliseconds since an arbitrary start. Never goes backwards. */
  monotonic(): number;
  /** Calls `run` once after `ms` milliseconds; the returned function cancels it. Never keeps the process alive. */
  after(ms: number, run: () => void): () => void;
  /** Resolves after `ms` milliseconds; rejects with the signal's reason as soon as it aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** setTimeout keeps its delay in a signed 32-bit integer; a longer one fires at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, run) {
    let remaining = Math.max(0, ms);
    let timer: NodeJS.Timeout;
    const arm = () => {
      const step = Math.min(remaining, LONGEST_TIMER_MS);
      remaining -= step;
      timer = setTimeout(() => (remaining > 0 ? arm() : run()), step);
      timer.unref();
    };
    arm();
    return () => clearTimeout(timer);
  },
  sleep(ms, signal) {
    // Unlike `after`: who awaits this keeps the process alive.
    const after: Clock["after"] = (ms, run) => {
      const timer = setTimeout(run, Math.min(ms, LONGEST_TIMER_MS));
      return () => clearTimeout(timer);
    };
    return sleepOn({ after }, ms, signal);
  },
};

/** Clock.sleep on the timers of `clock`. */
export function sleepOn(clock: Pick<Clock, "after">, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.after(ms, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
