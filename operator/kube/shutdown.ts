import type { Clock } from "#base/clock.ts";
import { HoldfastError, messageOf } from "#base/errors.ts";
import { Deadline } from "./deadline.ts";
import type { Log } from "./log.ts";

export interface ShutdownStep {
  readonly name: string;
  /** Should end when the signal aborts: the time is up. */
  run(signal: AbortSignal): Promise<void> | void;
}

/** A Pod has 30 s from SIGTERM to SIGKILL by default; 5 s are left for what cannot be planned. */
const SHUTDOWN_MS = 25_000;

/**
 * Runs the steps one after the other: readiness off, goaway to the agents, controllers stopped, lease released. A step
 * that fails is logged and does not keep the next from its turn; when the time is up the signal aborts and each of the
 * rest still gets its call, but is not waited for. True when everything ended well and in time.
 */
export async function shutdown(
  steps: readonly ShutdownStep[],
  options: { readonly clock: Clock; readonly log: Log; readonly deadlineMs?: number },
): Promise<boolean> {
  const { clock, log, deadlineMs = SHUTDOWN_MS } = options;
  const late = () => new HoldfastError("kube/shutdown-deadline", `the shutdown took longer than ${deadlineMs} ms`);
  using deadline = new Deadline(clock, deadlineMs, [], late);
  const { signal } = deadline;
  const timeUp = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  let clean = true;
  for (const step of steps) {
    const started = clock.monotonic();
    let ended = false;
    const run = async () => {
      try {
        await step.run(signal);
        ended = true;
      } catch (error) {
        clean = false;
        log.error({ step: step.name, error: messageOf(error) }, "a shutdown step failed");
      }
    };
    await Promise.race([run(), timeUp]);
    const ms = Math.round(clock.monotonic() - started);
    if (ended) log.info({ step: step.name, ms }, "shutdown step done");
    else clean = false;
  }
  if (signal.aborted) log.warn({ deadlineMs }, "the shutdown was cut short");
  return clean && !signal.aborted;
}
