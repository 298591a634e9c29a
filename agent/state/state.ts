import { chmodSync, existsSync, mkdirSync } from "node:fs";
import type { Clock } from "#base/clock.ts";
import type { Log } from "../log.ts";
import { type CommandLog, openCommands } from "./commands.ts";
import { inTransaction, openDatabase } from "./database.ts";
import { type ConfigStore, openConfig } from "./held-config.ts";
import { type IdentityStore, openIdentity } from "./identity.ts";
import { type Journal, openJournal } from "./journal.ts";
import { lockState } from "./lock.ts";
import { type Outbox, openOutbox } from "./outbox.ts";
import { openSchedules, type ScheduleStore } from "./schedules.ts";
import { sealFrom } from "./seal.ts";
import { openVault } from "./vault.ts";

/** Names in the state folder. */
export const FILES = {
  lock: "lock.db",
  database: "agent.db",
  key: "key",
  identity: "identity.sealed",
  config: "config.sealed",
};

/**
 * All that the agent must know again after a crash. Every write is durable when it returns.
 */
export interface State {
  /** Absolute. */
  readonly dir: string;
  readonly identity: IdentityStore;
  readonly config: ConfigStore;
  readonly journal: Journal;
  readonly outbox: Outbox;
  readonly commands: CommandLog;
  readonly schedules: ScheduleStore;
  /** All writes of `work` become durable together or not at all. */
  transaction<T>(work: () => T): T;
  close(): void;
}

/** Whether an agent has ever kept anything in the state folder `dir`. */
export function hasState(dir: string): boolean {
  return [FILES.database, FILES.identity, FILES.config].some((file) => existsSync(`${dir}/${file}`));
}

/**
 * Opens the state folder `dir` (made with mode 0700 where it is missing). Waits while another agent holds it, until
 * `signal` aborts.
 */
export async function openState(options: {
  dir: string;
  clock: Clock;
  log: Log;
  signal?: AbortSignal;
}): Promise<State> {
  const { dir, clock, log } = options;
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  // mkdir leaves the mode of a folder that was there before, and umask may have cut the one just made.
  chmodSync(dir, 0o700);
  const path = (file: string) => `${dir}/${file}`;
  const unlock = await lockState(path(FILES.lock), clock, log, options.signal);
  try {
    const seal = sealFrom(path(FILES.key), !hasState(dir));
    const { database } = openDatabase(path(FILES.database), clock.now(), log);
    try {
      const vault = openVault(database, seal);
      return {
        dir,
        identity: openIdentity(database, vault, seal, path(FILES.identity)),
        config: openConfig(database, vault, seal, path(FILES.config), log),
        journal: openJournal(database, vault),
        outbox: openOutbox(database),
        commands: openCommands(database),
        schedules: openSchedules(database),
        transaction: (work) => inTransaction(database, work),
        close() {
          database.close();
          unlock();
        },
      };
    } catch (error) {
      database.close();
      throw error;
    }
  } catch (error) {
    unlock();
    throw error;
  }
}
