import { realpathSync } from "node:fs";
import { lstat, opendir, readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { HoldfastError } from "#base/errors.ts";
import type { FilesPlan } from "#protocol/config.ts";
import type { Reason } from "#protocol/outcome.ts";
import { checkBackupPath, type HostRules, isWithin, normalPath } from "../rules.ts";
import type { Paths } from "./paths.ts";

export interface SourceProblem {
  reason: Extract<Reason, "PathMissing" | "NotMountpoint" | "TooFewFiles">;
  message: string;
}

/** Throws unless the host may back up `path`: by its name, and by where it lies once symlinks above it are followed. */
export function checkSource(rules: HostRules, path: string, own: readonly string[], paths: Paths): void {
  checkBackupPath(rules, path, own);
  const onHost = (hostPath: string) => paths.toRestic(normalPath(hostPath));
  const real = realEntry(onHost(path));
  if (!rules.backupRoots.some((root) => real === realEntry(onHost(root)) || isWithin(real, realPath(onHost(root))))) {
    throw new HoldfastError(
      "agent/refused-by-host",
      `${path} leads through a symlink to ${paths.toHost(real)}, outside this host's backup roots ` +
        `(${rules.backupRoots.join(", ")}): name the folder itself, and allow it on this host`,
    );
  }
  checkBackupPath({ ...rules, backupRoots: ["/"] }, paths.toHost(real), own);
}

/** restic saves a symlink as a symlink, but follows those on the way to it. */
function realEntry(path: string): string {
  return path === "/" ? path : join(realPath(dirname(path)), basename(path));
}

/** A path without symlinks; one that is not there stays as it is. */
export function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/**
 * What is wrong with the paths of a backup before it begins: a lost mount or an emptied folder would else become a green
 * backup of nothing. Undefined where all is well.
 */
export async function checkSources(files: FilesPlan, paths: Paths): Promise<SourceProblem | undefined> {
  const onHost = (path: string) => paths.toRestic(normalPath(path));
  const missing: string[] = [];
  for (const path of files.paths) {
    if ((await lstat(onHost(path)).catch(() => undefined)) === undefined) missing.push(path);
  }
  if (missing.length > 0) {
    const names = missing.slice(0, 5).join(", ") + (missing.length > 5 ? ` and ${missing.length - 5} more` : "");
    const cure = missing.some((path) => /[*?[]/.test(path))
      ? "paths are no patterns, so name the folder and leave out what is not meant by files.exclude"
      : "create it, or correct files.paths";
    return { reason: "PathMissing", message: `${names}: no such path on this host; ${cure}` };
  }
  if (files.requireMountpoint) {
    const mounts = mountPoints(await readFile("/proc/self/mountinfo", "utf8"));
    const plain = files.paths.find((path) => !mounts.has(onHost(path)));
    if (plain !== undefined) {
      return {
        reason: "NotMountpoint",
        message: `${plain} is no mount point: mount its file system, or unset files.requireMountpoint`,
      };
    }
  }
  if (files.minFiles !== undefined && files.minFiles > 0) {
    const found = await countFiles(files.paths.map(onHost), files.minFiles);
    if (found < files.minFiles) {
      return {
        reason: "TooFewFiles",
        message: `files.minFiles asks for at least ${files.minFiles} files, and the paths hold ${found}: bring back what was unmounted or deleted, or lower files.minFiles`,
      };
    }
  }
  return undefined;
}

/** Mount points of /proc/self/mountinfo: the fifth field, in which blanks and more are written in octal. */
export function mountPoints(mountinfo: string): Set<string> {
  const decode = (text: string) =>
    text.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)));
  return new Set(mountinfo.split("\n").flatMap((line) => decode(line.split(" ")[4] ?? "") || []));
}

/** Counts files below `roots`, but not beyond `enough`. What cannot be read counts as empty. */
async function countFiles(roots: readonly string[], enough: number): Promise<number> {
  let found = 0;
  const folders: string[] = [];
  for (const root of roots) {
    const entry = await lstat(root).catch(() => undefined);
    if (entry?.isDirectory()) folders.push(root);
    else if (entry?.isFile()) found++;
  }
  for (let folder = folders.pop(); folder !== undefined && found < enough; folder = folders.pop()) {
    const entries = await opendir(folder).catch(() => undefined);
    if (entries === undefined) continue;
    for await (const entry of entries) {
      if (entry.isDirectory()) folders.push(`${folder}/${entry.name}`);
      else if (entry.isFile() && ++found >= enough) break;
    }
  }
  return found;
}
