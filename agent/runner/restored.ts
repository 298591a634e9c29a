import { sizeText } from "#base/units.ts";
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
  command: Pick<RestoreCommand, "include" | "overwrite" | "verify" | "dryRun">,
  filtered: boolean,
  snapshotID: string,
  { files, filesSkipped, bytes }: Total,
): Verdict {
  const { include, overwrite, verify, dryRun } = command;
  if (filtered && files + filesSkipped === 0) {
    const others = include.length === 1 ? "" : ", nor any other pattern of include";
    const message =
      "a pattern that begins with a slash counts from the root, for example /srv/www/x; " +
      `list what is there with restic ls ${snapshotID.slice(0, 8)}`;
    return {
      phase: "Failed",
      reason: "NothingMatched",
      message: line(`nothing in the snapshot matches ${line(include[0]!, 300)}${others}: ${message}`),
    };
  }
  const count = `${files} ${files === 1 ? "file or folder" : "files and folders"}, ${sizeText(bytes)}`;
  const done = dryRun
    ? `dry run, nothing was written: ${count} would be`
    : `${count} restored${verify ? " and verified" : ""}`;
  const [there, kept] = filesSkipped === 1 ? ["1 file was", "was"] : [`${filesSkipped} files were`, "were"];
  const compared = verify && !dryRun ? ", not compared with the snapshot" : "";
  const skipped = `; ${there} there already and ${dryRun ? "would be" : kept} kept${compared} (overwrite: ${overwrite})`;
  return { phase: "Succeeded", reason: "Completed", message: filesSkipped === 0 ? done : `${done}${skipped}` };
}
