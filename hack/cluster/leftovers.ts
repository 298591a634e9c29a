import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import type { Clock } from "#base/clock.ts";
import { HoldfastError } from "#base/errors.ts";
import { serversOf, startTime } from "./process-table.ts";

const PREFIX = "holdfast-cluster-";
const NAME = /^holdfast-cluster-(\d+)-(\d+)-/;
const GONE_WITHIN_MS = 10_000;
/** A unix socket's path has at most 107 bytes (sun_path); 24 are for mkdtemp's six characters and the longest name. */
const LONGEST_PREFIX = 107 - 24;

/** A control plane's private folder and the process that answers for it. */
export interface Found {
  directory: string;
  supervisor: number;
  alive: boolean;
}

/** Makes the private folder of the control plane that this process supervises. Its name says which process that is. */
export function createDirectory(): string {
  // The name is the record: there is no moment at which the folder exists and nobody can tell whether its owner lives.
  const prefix = `${tmpdir()}/${PREFIX}${process.pid}-${startTime(process.pid)}-`;
  if (prefix.length > LONGEST_PREFIX) {
    throw new HoldfastError(
      "cluster/long-path",
      `${tmpdir()} is too long for the sockets of a control plane: set TMPDIR to a folder with a shorter path`,
    );
  }
  return mkdtempSync(prefix);
}

/** This user's control planes on this machine, dead ones included. */
export function findClusters(): Found[] {
  return readdirSync(tmpdir()).flatMap((entry) => {
    const match = NAME.exec(entry);
    const directory = `${tmpdir()}/${entry}`;
    if (match === null || statSync(directory, { throwIfNoEntry: false })?.uid !== process.getuid?.()) return [];
    const supervisor = Number(match[1]);
    return [{ directory, supervisor, alive: startTime(supervisor) === match[2] }];
  });
}

/** Removes what is left of control planes whose supervisor is dead: their servers, then their folders. */
export async function sweep(clock: Clock): Promise<string[]> {
  const dead = findClusters().filter(({ alive }) => !alive);
  for (const { directory } of dead) await remove(directory, clock);
  return dead.map(({ directory }) => directory);
}

/** Kills the servers of the control plane in `directory`, waits until they are gone and deletes the folder. */
export async function remove(directory: string, clock: Clock): Promise<void> {
  const deadline = clock.monotonic() + GONE_WITHIN_MS;
  for (let pids = serversOf(directory); pids.length > 0; pids = serversOf(directory)) {
    if (clock.monotonic() > deadline) {
      throw new HoldfastError(
        "cluster/unkillable",
        `processes ${pids.join(", ")} of ${directory} do not end: look at them with ps, then delete the folder`,
      );
    }
    for (const pid of pids) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // ended meanwhile
      }
    }
    await clock.sleep(20);
  }
  rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
}
