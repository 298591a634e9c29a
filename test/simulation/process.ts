import { type Clock, sleepOn } from "#base/clock.ts";
import type { Disk } from "./disk.ts";
import type { Timeline } from "./timeline.ts";

/** Wall time at the beginning of every history, by the API server's clock: most last until the slot 20 s later. */
export const BEGIN = Date.UTC(2026, 0, 1, 12, 4, 40);

/** Thrown where a process is killed in the middle of what it does; nothing it does afterwards has any effect. */
export class Killed extends Error {
  constructor() {
    super("this process was killed");
  }
}

/** The process whose code runs just now; what stands in for Node's modules asks whose call it is. */
export const running: { process: SimProcess | undefined } = { process: undefined };

interface Timer {
  due: number;
  run: () => void;
  cancel: () => void;
}

/**
 * A process of the simulation: its clock, and the way into it for everything that happens to it. Stopped (SIGSTOP, or a
 * machine that sleeps: then its monotonic clock stands still too) all of that waits; killed, it is gone.
 */
export class SimProcess implements Clock {
  readonly name: string;
  /** The machine's disk and processes, of an agent. */
  readonly disk: Disk | undefined;
  alive = true;
  frozen = false;
  /** Its wall clock minus the API server's. */
  wallOffset = 0;
  readonly #timeline: Timeline;
  readonly #timers = new Set<Timer>();
  readonly #onThrow: (error: unknown) => void;
  #held: (() => void)[] = [];
  #lost = 0;
  #frozenAt = 0;
  #asleep = false;

  constructor(timeline: Timeline, name: string, disk: Disk | undefined, onThrow: (error: unknown) => void) {
    this.#timeline = timeline;
    this.name = name;
    this.disk = disk;
    this.#onThrow = onThrow;
  }

  now(): number {
    return Math.floor(BEGIN + this.#timeline.now + this.wallOffset);
  }

  monotonic(): number {
    return (this.#asleep ? this.#frozenAt : this.#timeline.now) - this.#lost;
  }

  after(ms: number, run: () => void): () => void {
    // As setTimeout: never sooner than after a millisecond.
    const timer: Timer = { due: this.monotonic() + Math.max(1, ms), run, cancel: () => {} };
    this.#timers.add(timer);
    if (!this.frozen) this.#arm(timer);
    return () => {
      timer.cancel();
      this.#timers.delete(timer);
    };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, ms, signal);
  }

  /** Something happens to the process: now, when it is thawed, or never. */
  enter(run: () => void): void {
    if (!this.alive) return;
    if (this.frozen) {
      this.#held.push(run);
      return;
    }
    running.process = this;
    try {
      run();
    } catch (error) {
      if (!(error instanceof Killed)) this.#onThrow(error);
    }
  }

  freeze(asleep: boolean): void {
    this.frozen = true;
    this.#asleep = asleep;
    this.#frozenAt = this.#timeline.now;
    for (const timer of this.#timers) timer.cancel();
  }

  thaw(): void {
    if (this.#asleep) this.#lost += this.#timeline.now - this.#frozenAt;
    this.frozen = this.#asleep = false;
    for (const timer of [...this.#timers].sort((a, b) => a.due - b.due)) this.#arm(timer);
    const held = this.#held;
    this.#held = [];
    for (const run of held) this.#timeline.at(0, () => this.enter(run));
  }

  kill(): void {
    this.alive = false;
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    this.#held = [];
  }

  #arm(timer: Timer): void {
    timer.cancel = this.#timeline.at(timer.due - this.monotonic(), () => {
      this.#timers.delete(timer);
      this.enter(timer.run);
    });
  }
}
