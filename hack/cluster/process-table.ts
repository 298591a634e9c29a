import { readdirSync, readFileSync } from "node:fs";

/** The environment variable that marks a control plane's servers; its value is the control plane's folder. */
export const MARK = "HOLDFAST_CLUSTER";

/**
 * When the process started, in clock ticks since boot: with its pid an identity that is never given twice. Undefined
 * when no such process runs (one that is dead and not yet reaped included).
 */
export function startTime(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined;
  }
  // The command's name, the second field, may hold spaces and brackets; the third (state) is the first after it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
}

/** The pids of the servers started for the control plane in `directory`, whoever their parent is now. */
export function serversOf(directory: string): number[] {
  const pids = readdirSync("/proc").filter((entry) => /^\d+$/.test(entry));
  return pids.map(Number).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").includes(`${MARK}=${directory}`);
    } catch {
      return false; // ended meanwhile, or another user's
    }
  });
}
