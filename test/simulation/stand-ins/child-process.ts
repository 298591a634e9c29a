import { Killed, running } from "../process.ts";
import { type Child, programs } from "../programs.ts";

/** Stands in for node:child_process in the agent. */
export function spawn(command: string, argv: readonly string[], options: { env?: NodeJS.ProcessEnv }): Child {
  const { process } = running;
  const machine = process?.disk && programs.get(process.disk);
  if (process === undefined || machine === undefined || !process.alive) throw new Killed();
  return machine.spawn(process, command, argv, options.env ?? {});
}
