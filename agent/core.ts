import type { Clock } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import type { Inventory } from "./inventory.ts";
import type { Core } from "./link/core.ts";
import type { Log } from "./log.ts";
import type { HostRules } from "./rules.ts";
import type { State } from "./state/state.ts";

export interface AgentOptions {
  /** Opened by `openState`; holds an identity. Closing it is the caller's, after `stop`. */
  state: State;
  /** restic's cache and temporary files, absolute; made with mode 0700 where it is missing. */
  cacheDir: string;
  rules: HostRules;
  clock: Clock;
  random: Random;
  log: Log;
  /** Absolute. */
  resticPath: string;
  /** From `readInventory`. */
  inventory: Inventory;
  /** Where the host's root lies for restic (`/host` in a DaemonSet's container); empty: at `/`. */
  hostRoot?: string;
}

export interface AgentCore extends Core {
  /** Adopts what a former process left behind and begins to fire schedules. */
  start(): void;
  /** Admits nothing more and lets go of running restic processes, which go on. Call `state.close()` afterwards. */
  stop(): Promise<void>;
  /** At most `limit` bytes of the log of a run or restore from `offset`; undefined where there is no such log. */
  readLog(uid: string, offset: number, limit: number): { data: Buffer; size: number } | undefined;
}

export async function openCore(options: AgentOptions): Promise<AgentCore> {
  throw new Error(`being written: ${options.resticPath}`);
}
