import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { systemClock } from "#base/clock.ts";
import { HoldfastError } from "#base/errors.ts";

/** A program of Holdfast as a process of its own, its output in a file. */
export class Process {
  readonly #command: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  readonly #log: string;
  #child: ChildProcess | undefined;
  #startedAt = 0;

  /** `command`: a program and its arguments; `log` is appended to. Nothing starts yet. */
  constructor(command: readonly string[], environment: NodeJS.ProcessEnv, log: string) {
    this.#command = command;
    this.environment = environment;
    this.#log = log;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** When start() was called last, in milliseconds since 1970: what its log says of times before is of another process. */
  get startedAt(): number {
    return this.#startedAt;
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  start(): void {
    const log = openSync(this.#log, "a");
    this.#startedAt = systemClock.now();
    const [program = "", ...args] = this.#command;
    this.#child = spawn(program, args, { env: this.environment, stdio: ["ignore", log, log] });
    closeSync(log);
  }

  /** Sends a signal to it where it runs; false where it does not. */
  signal(signal: NodeJS.Signals): boolean {
    return this.running && this.#child!.kill(signal);
  }

  /** Throws with the end of its log where it has ended by itself. */
  expectRunning(): void {
    if (this.running) return;
    const end = readFileSync(this.#log, "utf8").trimEnd().split("\n").slice(-8).join("\n");
    throw new HoldfastError("demo/process-ended", `${basename(this.#log)} says why the process ended:\n${end}`);
  }

  /** Sends `signal` and resolves when the process has ended. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined || !this.running) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await ended;
  }
}

/** PIDs of this machine's processes whose environment or arguments name `folder`: what a killed agent left running. */
export function processesUsing(folder: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid)
    .filter((pid) => {
      try {
        return ["environ", "cmdline"].some((file) => readFileSync(`/proc/${pid}/${file}`, "latin1").includes(folder));
      } catch {
        return false; // It has ended, or is another user's.
      }
    });
}

/** Kills what still uses `folder` and resolves when nothing does. */
export async function killAllUsing(folder: string): Promise<void> {
  for (let left = processesUsing(folder); left.length > 0; left = processesUsing(folder)) {
    for (const pid of left) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // Gone meanwhile.
      }
    }
    await systemClock.sleep(50);
  }
}
