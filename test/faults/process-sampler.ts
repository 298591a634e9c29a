import { readdirSync, readFileSync } from "node:fs";
import { systemClock } from "#base/clock.ts";

/** What a process shows: its arguments to everybody, its environment to its own user and root. */
export interface ProcessSample {
  readonly pid: number;
  /** Separated by NUL, as the kernel has them. */
  readonly argv: string;
  /** NAME=value. */
  readonly environment: readonly string[];
}

const INTERVAL_MS = 50;

/** Looks at every process of this machine again and again; each one with its arguments is kept once. */
export class ProcessSampler {
  readonly #samples = new Map<string, ProcessSample>();
  #cancel: () => void = () => {};

  start(): void {
    this.#look();
    this.#cancel = systemClock.after(INTERVAL_MS, () => this.start());
  }

  stop(): void {
    this.#cancel();
  }

  samples(): ProcessSample[] {
    return [...this.#samples.values()];
  }

  #look(): void {
    for (const entry of readdirSync("/proc")) {
      const pid = Number(entry);
      if (!Number.isInteger(pid)) continue;
      const argv = read(`/proc/${pid}/cmdline`);
      if (argv === "" || this.#samples.has(`${pid} ${argv}`)) continue;
      const environment = read(`/proc/${pid}/environ`).split("\0").filter(Boolean);
      this.#samples.set(`${pid} ${argv}`, { pid, argv, environment });
    }
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return ""; // It has ended, or is another user's.
  }
}
