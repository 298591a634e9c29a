import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** One call of restic by an agent. Milliseconds since 1970, with fractions. */
export interface Call {
  started: number;
  ended: number;
  /** The arguments; restic gets its secrets by the environment and by files. */
  arguments: string[];
}

/** Makes a program in `directory` that runs restic and writes each call into a file there, and returns its path. */
export function recorder(restic: string, directory: string): string {
  const path = join(directory, "restic");
  const log = join(directory, "calls");
  writeFileSync(
    path,
    // Arguments are told apart by the unit separator, so that any byte a path may hold passes.
    `#!/bin/sh
started=$(date +%s%N)
"${restic}" "$@"
code=$?
{ printf '%s\\t%s\\t' "$started" "$(date +%s%N)"; printf '%s\\037' "$@"; printf '\\n'; } >> "${log}"
exit $code
`,
    { mode: 0o755 },
  );
  writeFileSync(log, "");
  return path;
}

/** The calls so far, oldest first. */
export function calls(directory: string): Call[] {
  return readFileSync(join(directory, "calls"), "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [started, ended, args] = line.split("\t") as [string, string, string];
      return { started: Number(started) / 1e6, ended: Number(ended) / 1e6, arguments: args.split("\x1f").slice(0, -1) };
    })
    .toSorted((a, b) => a.started - b.started);
}
