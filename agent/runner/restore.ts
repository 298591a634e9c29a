import { HoldfastError } from "#base/errors.ts";
import type { RestoreCommand } from "#protocol/command.ts";
import type { Limits } from "#protocol/fields.ts";
import type { RestoreRecord } from "#protocol/record.ts";
import { line } from "#protocol/text.ts";
import { isWithin, normalPath } from "../rules.ts";
import { restoreArgv, smallest, snapshotsArgv } from "./argv.ts";
import { type Attempt, type Machine, stoppedVerdict } from "./attempt.ts";
import type { Verdict } from "./classify.ts";
import { plus } from "./lines.ts";
import type { Observation } from "./observe.ts";
import { identityProblem, unanswered } from "./repository-identity.ts";
import { openRestic, type Restic } from "./restic.ts";
import { restoredVerdict } from "./restored.ts";
import type { OpenAccess } from "./secrets.ts";
import { type FoundSnapshot, parseSnapshots, pickSnapshot } from "./snapshots.ts";
import { checkFreeSpace, checkTarget } from "./target.ts";

/** A restore without the access to its repository, which is kept in memory only. */
export interface RestoreSpec {
  command: Omit<RestoreCommand, "repository">;
  hostLimits: Limits;
}

export interface RestoreEnd extends Verdict {
  exitCode?: number;
  snapshotID?: string;
  restored?: NonNullable<RestoreRecord["restored"]>;
}

/** One restic process of a restore. */
export interface Part {
  /** A folder of the snapshot; absent: all of it. */
  from?: string;
  /** As the host knows it. */
  to: string;
  include: string[];
  exclude: string[];
}

/** `snapshotID` is what a former process had chosen; `onSnapshot` hears of the choice before anything is written. */
export async function restore(
  machine: Machine,
  attempt: Attempt,
  spec: RestoreSpec,
  access: OpenAccess | undefined,
  snapshotID: string | undefined,
  onSnapshot: (id: string) => void,
): Promise<RestoreEnd> {
  const { command } = spec;
  const parts = partsOf(command);
  const restic = openRestic(machine, attempt, access);
  let chosen = snapshotID;
  let root = "";
  if (attempt.steps.length === 0) {
    if (access === undefined) return interrupted("before it began");
    checkMapping(command);
    const targets = parts.map(({ to }) => checkTarget(machine.rules, to, machine.paths));
    const problem = await restic.unreachable();
    if (problem !== undefined) return problem;
    const found = await choose(restic, command, access);
    if ("phase" in found) return found;
    if (command.pathMapping.length === 0 && command.include.length === 0 && !command.dryRun) {
      checkFreeSpace(targets[0]!, found.summary?.totalBytes ?? 0);
    }
    chosen = found.id;
    root = found.root;
    onSnapshot(found.id);
  }

  const total = { files: 0, filesSkipped: 0, bytes: 0, bytesSkipped: 0, errors: 0 };
  const known = chosen === undefined ? {} : { snapshotID: chosen };
  for (const [index, part] of parts.entries()) {
    const name = `restore-${index + 1}`;
    if (!attempt.steps.some(({ step }) => step === name)) {
      const stopped = stoppedVerdict(attempt);
      if (stopped !== undefined) return { ...stopped, ...known, restored: total };
      if (access === undefined) {
        return { ...interrupted(`before part ${index + 1} of ${parts.length}`), ...known, restored: total };
      }
      // Once more: what an earlier part has brought may be a symlink at this place.
      checkTarget(machine.rules, part.to, machine.paths);
    }
    const { code, seen } = await restic.step(name, () =>
      restoreArgv({
        command: { ...command, include: part.include, exclude: part.exclude },
        snapshotID: chosen!,
        from: root + (part.from === "/" ? "" : (part.from ?? "")),
        target: machine.paths.toRestic(part.to),
        limits: smallest(spec.hostLimits, command.limits),
        remainingMs: attempt.remainingMs(),
      }),
    );
    add(total, seen);
    if (code === undefined) {
      return { ...(stoppedVerdict(attempt) ?? interrupted("in the middle of it")), ...known, restored: total };
    }
    if (code !== 0) {
      const absent = part.from !== undefined && /\bpath .*: not (found|a directory)$/.test(seen.errors.at(-1) ?? "");
      const verdict = absent ? notInSnapshot(part.from!, chosen!) : restic.verdict({ code, seen }, true);
      const failed = seen.failedFiles;
      const files = verdict.reason === "ResticFailed" && failed.count > 0;
      const message = files
        ? line(`${failed.count} files could not be restored, first ${failed.first[0]}: ${seen.errors[0]}`)
        : verdict.message;
      return { ...verdict, message, exitCode: code, ...known, restored: total };
    }
  }
  // A mapped folder that include names as a whole may be empty.
  const filtered = parts.every(({ include }) => include.length > 0);
  return { ...restoredVerdict(command, filtered, chosen!, total), exitCode: 0, ...known, restored: total };
}

/** A mapped folder lies below the target, which is what the Restore's author was allowed and shown. */
function checkMapping({ target, pathMapping }: RestoreSpec["command"]): void {
  const stray = pathMapping.find(({ to }) => !isWithin(normalPath(to), normalPath(target.path)));
  if (stray !== undefined) {
    throw new HoldfastError(
      "agent/target-invalid",
      `pathMapping.to ${stray.to} does not lie below target.path ${target.path}: choose a folder below it`,
    );
  }
}

function notInSnapshot(from: string, snapshotID: string): Verdict {
  const id = snapshotID.slice(0, 8);
  const message = `pathMapping.from ${line(from, 300)} is no folder of snapshot ${id}: list what is there with restic ls ${id}`;
  return { phase: "Failed", reason: "NothingMatched", message };
}

function interrupted(when: string): Verdict {
  const message = `agent or restic ended ${when} (a crash, a kill, a reboot): create the Restore again, what is there already is kept`;
  return { phase: "Failed", reason: "Interrupted", message };
}

function add(total: NonNullable<RestoreRecord["restored"]>, seen: Observation): void {
  const last = seen.summary?.restored ?? seen.restored;
  total.files = plus(total.files, last?.files ?? 0);
  total.filesSkipped = plus(total.filesSkipped, last?.filesSkipped ?? 0);
  total.bytes = plus(total.bytes, last?.bytes ?? 0);
  total.bytesSkipped = plus(total.bytesSkipped, last?.bytesSkipped ?? 0);
  total.errors += seen.failedFiles.count;
}

/** The snapshot that is meant, from the repository that is meant: both are certain before anything is written. */
async function choose(
  restic: Restic,
  command: RestoreSpec["command"],
  access: OpenAccess,
): Promise<FoundSnapshot | RestoreEnd> {
  const { snapshot } = command;
  const filter =
    "id" in snapshot ? {} : { tags: snapshot.tags, ...(snapshot.host === undefined ? {} : { host: snapshot.host }) };
  const list = await restic.ask(snapshotsArgv(filter));
  const problem = unanswered(restic, list, access) ?? (await identityProblem(restic, access));
  if (problem !== undefined) return problem;
  return pickSnapshot(parseSnapshots(list.stdout), snapshot);
}

/**
 * The restic processes that make up a restore: one, or one for each mapped folder. Patterns with a path count from the
 * snapshot's root for the user, but from the mapped folder for restic.
 */
export function partsOf(command: Pick<RestoreCommand, "target" | "pathMapping" | "include" | "exclude">): Part[] {
  const { include, exclude, pathMapping } = command;
  if (include.length > 0 && exclude.length > 0) {
    throw new HoldfastError(
      "agent/bad-path",
      "include and exclude cannot be combined in one Restore: leave one of them out",
    );
  }
  if (pathMapping.length === 0) return [{ to: command.target.path, include, exclude }];
  const parts = pathMapping.flatMap(({ from, to }) => {
    const folder = normalPath(from);
    const included = within(include, folder);
    // All that was asked for lies outside this folder.
    if (include.length > 0 && included.length === 0) return [];
    // The folder itself was named, or one above it: all of it is meant.
    const everything = included.includes("/");
    return [{ from: folder, to, include: everything ? [] : included, exclude: within(exclude, folder) }];
  });
  if (parts.length > 0) return parts;
  throw new HoldfastError(
    "agent/target-invalid",
    "include names nothing below the folders of pathMapping.from: map a folder that holds what is to be restored",
  );
}

function within(patterns: readonly string[], folder: string): string[] {
  return patterns.flatMap((pattern) => {
    if (!pattern.startsWith("/") || folder === "/") return [pattern];
    if (isWithin(folder, pattern.replace(/(.)\/+$/, "$1"))) return ["/"];
    return pattern.startsWith(`${folder}/`) ? [pattern.slice(folder.length)] : [];
  });
}
