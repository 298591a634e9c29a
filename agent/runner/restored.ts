import type { RestoreCommand } from "#protocol/command.ts";
import type { RestoreRecord } from "#protocol/record.ts";
import { line } from "#protocol/text.ts";
import type { Verdict } from "./classify.ts";

/** restic counts the folders it makes with `files`, but only files with `filesSkipped`. */
type Total = NonNullable<RestoreRecord["restored"]>;

/**
 * The verdict over a restore whose every restic ended well. `filtered`: nothing but what matches include was asked for,
 * so that nothing at all means a wrong pattern.
 */
export function restoredVerdict(
  command: Pick<RestoreCommand, "include" | "overwrite" | "dryRun">,
  filtered: boolean,
  snapshotID: string,
  { files, filesSkipped, bytes }: Total,
): Verdict {
  const { include, overwrite, dryRun } = command;
  if (filtered && files + filesSkipped === 0) {
    const others = include.length === 1 ? "" : ", nor any other pattern of include";
    const message =
      "a pattern with a slash counts from the root, for example /srv/www/x; " +
      `list what is there with restic ls ${snapshotID.slice(0, 8)}`;
    return {
      phase: "Failed",
      reason: "NothingMatched",
      message: line(`nothing in the snapshot matches ${line(include[0]!, 300)}${others}: ${message}`),
    };
  }
  const count = `${files} ${files === 1 ? "file or folder" : "files and folders"}, ${size(bytes)}`;
  const done = dryRun ? `dry run, nothing was written: ${count} would be` : `${count} restored`;
  const [there, kept] = filesSkipped === 1 ? ["1 file was", "was"] : [`${filesSkipped} files were`, "were"];
  const skipped = `; ${there} there already and ${dryRun ? "would be" : kept} kept (overwrite: ${overwrite})`;
  return { phase: "Succeeded", reason: "Completed", message: filesSkipped === 0 ? done : `${done}${skipped}` };
}

const UNITS = ["bytes", "kB", "MB", "GB", "TB", "PB"];

/** Decimal units, as precise as a sentence needs it. */
function size(bytes: number): string {
  if (bytes === 1) return "1 byte";
  let unit = 0;
  let value = bytes;
  // From 999.5 on it would be rounded to 1000.
  for (; value >= 999.5 && unit < UNITS.length - 1; unit++) value /= 1000;
  return `${unit > 0 && value < 9.95 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}
