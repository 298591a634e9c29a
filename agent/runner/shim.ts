import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { type ProcessID, processStartTime } from "./process.ts";

/**
 * Between the agent and a restic that must outlive it. A constant script; the folder and restic's arguments are positional
 * parameters. It leads its own session, waits for a word before it begins (so that no restic runs that the journal does
 * not know), and records restic's exit code durably, together with all that restic has said. The traps are not "ignore",
 * which restic would inherit: with them the shell waits until restic has ended after a signal to the group.
 */
const SCRIPT = `
umask 077
trap : INT TERM HUP
read -r go || exit 0
folder=$1
shift
"$@" </dev/null
code=$?
echo "$code" >"$folder/exit.new"
sync "$folder/stdout" "$folder/stderr" "$folder/exit.new" 2>/dev/null || sync
mv "$folder/exit.new" "$folder/exit"
sync "$folder" 2>/dev/null
exit 0
`;

export const STDOUT = "stdout";
export const STDERR = "stderr";

/**
 * Starts `argv` so that it goes on when the agent is killed. `journal` is called with the process before anything runs
 * in it; where it throws, nothing ever does. `exited` resolves once the shim is gone.
 */
export function startDetached(options: {
  argv: readonly string[];
  env: Readonly<Record<string, string>>;
  /** Made if missing; gets the files stdout, stderr and, in the end, exit. */
  folder: string;
  bootID: string;
  journal: (process: ProcessID) => void;
}): { exited: Promise<void> } {
  mkdirSync(options.folder, { recursive: true, mode: 0o700 });
  const stdout = openSync(`${options.folder}/${STDOUT}`, "a", 0o600);
  const stderr = openSync(`${options.folder}/${STDERR}`, "a", 0o600);
  try {
    const child = spawn("/bin/sh", ["-c", SCRIPT, "holdfast-run", options.folder, ...options.argv], {
      cwd: "/",
      env: options.env,
      detached: true,
      stdio: ["pipe", stdout, stderr],
    });
    const exited = new Promise<void>((resolve) => {
      child.once("exit", () => resolve());
      child.once("error", () => resolve());
    });
    const stdin = child.stdin!;
    stdin.on("error", () => {});
    child.unref();
    const startTime = child.pid === undefined ? undefined : processStartTime(child.pid);
    if (child.pid === undefined || startTime === undefined) {
      stdin.destroy();
      throw new Error("no process could be started: /bin/sh is missing, or the machine is out of processes or memory");
    }
    try {
      options.journal({ pid: child.pid, startTime, bootID: options.bootID });
    } catch (error) {
      stdin.destroy();
      throw error;
    }
    stdin.end("go\n");
    return { exited };
  } finally {
    closeSync(stdout);
    closeSync(stderr);
  }
}

/** The exit code that a shim recorded in `folder`; undefined while there is none. */
export function recordedExit(folder: string): number | undefined {
  try {
    const code = Number.parseInt(readFileSync(`${folder}/exit`, "utf8"), 10);
    return Number.isInteger(code) ? code : undefined;
  } catch {
    return undefined;
  }
}
