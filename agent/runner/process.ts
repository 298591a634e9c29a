import { readFileSync } from "node:fs";

/** A process by what nobody can reuse: its id, its start time (clock ticks since boot) and the boot it belongs to. */
export interface ProcessID {
  pid: number;
  startTime: string;
  bootID: string;
}

/** Field 22 of /proc/<pid>/stat; undefined where there is no such process. */
export function processStartTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the program's name in parentheses and may hold anything, blanks and parentheses too.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // A zombie has ended; only its parent has not looked yet.
    return fields[0] === "Z" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/** Whether the group that `leader` leads still has a living process. */
export function groupAlive(leader: ProcessID, bootID: string): boolean {
  if (leader.bootID !== bootID) return false;
  const startTime = processStartTime(leader.pid);
  if (startTime !== undefined) return startTime === leader.startTime;
  // The shim may be gone and restic not; the kernel hands out no pid that is still the id of a group.
  return signalGroup(leader.pid, 0);
}

/** False where the group is gone. */
export function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-pid, signal);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
