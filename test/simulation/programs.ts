import { EventEmitter } from "node:events";
import { running, type SimProcess } from "./process.ts";

/** A program of the simulation, as child_process shows it to the agent that started it. */
export class Child extends EventEmitter {
  readonly pid: number | undefined;
  readonly stdout = new Output();
  readonly stderr = new Output();
  /** What is written there, and whether it was closed. */
  readonly stdin: Input;
  readonly #kill: (signal: string) => void;

  constructor(pid: number | undefined, stdin: Input, kill: (signal: string) => void) {
    super();
    this.pid = pid;
    this.stdin = stdin;
    this.#kill = kill;
  }

  kill(signal: string): void {
    this.#kill(signal);
  }

  unref(): void {}
}

class Output extends EventEmitter {
  setEncoding(): this {
    return this;
  }
}

export class Input extends EventEmitter {
  readonly #said: (text: string | undefined) => void;

  /** `said`: what came before the end; undefined where nothing did. */
  constructor(said: (text: string | undefined) => void) {
    super();
    this.#said = said;
  }

  end(text: string): void {
    this.#said(text);
  }

  destroy(): void {
    this.#said(undefined);
  }
}

/** What can be started on a machine. */
export interface Programs {
  spawn(parent: SimProcess, command: string, argv: readonly string[], env: NodeJS.ProcessEnv): Child;
  /** As process.kill with the negative id of a group. */
  signal(group: number, signal: NodeJS.Signals | 0): void;
}

export const programs = new WeakMap<object, Programs>();

/** Lets process.kill reach the simulation's process groups; those of the real machine are none of its business. */
export function installKill(): void {
  process.kill = (pid: number, signal: NodeJS.Signals | 0 = 0): true => {
    const owner = running.process?.disk;
    const machine = owner && programs.get(owner);
    if (pid >= 0 || machine === undefined) throw new Error(`the simulation sends no signal to process ${pid}`);
    machine.signal(-pid, signal);
    return true;
  };
}
