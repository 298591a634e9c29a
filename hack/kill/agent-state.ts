import { DatabaseSync } from "node:sqlite";
import { FILES } from "../../agent/state/state.ts";
import type { Machine } from "../stage/machine.ts";

/** What an agent's database says is still to be done. */
export interface AgentState {
  /** Ids of runs and restores that have not ended. */
  readonly unfinished: string[];
  /** Records that wait for the operator's acknowledgement. */
  readonly waiting: number;
  /** Records that the operator has refused. */
  readonly rejected: number;
  /** Ids of runs and restores that have ended. */
  readonly ended: string[];
}

/** Reads beside the agent, or after it. */
export function readAgentState(machine: Machine): AgentState {
  const database = new DatabaseSync(`${machine.folder}/state/${FILES.database}`, { readOnly: true, timeout: 5_000 });
  try {
    const runs = database.prepare("SELECT uid, state FROM runs").all();
    const ids = (ended: boolean) => runs.filter(({ state }) => (state === "Done") === ended).map(({ uid }) => `${uid}`);
    const records = database.prepare("SELECT rejected_code IS NULL AS waits FROM outbox").all();
    const waiting = records.filter(({ waits }) => waits === 1).length;
    return { unfinished: ids(false), waiting, rejected: records.length - waiting, ended: ids(true) };
  } finally {
    database.close();
  }
}
