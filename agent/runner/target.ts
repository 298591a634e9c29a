import { lstatSync, realpathSync, type Stats, statfsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { HoldfastError } from "#base/errors.ts";
import { sizeText } from "#base/units.ts";
import { checkRestorePath, type HostRules, isWithin, normalPath } from "../rules.ts";
import type { Paths } from "./paths.ts";

/**
 * The folder as restic is to see it, or throws: outside the restore roots by name or through a symlink
 * (agent/refused-by-host), or no folder (agent/target-invalid).
 */
export function checkTarget(rules: HostRules, path: string, paths: Paths): string {
  checkRestorePath(rules, path);
  const target = paths.toRestic(normalPath(path));
  const real = realPath(target);
  if (!rules.restoreRoots.some((root) => isWithin(real, realPath(paths.toRestic(normalPath(root)))))) {
    throw new HoldfastError(
      "agent/refused-by-host",
      `${path} leads through a symlink to ${paths.toHost(real)}, outside this host's restore roots (${rules.restoreRoots.join(", ")}): ` +
        "choose a folder without symlinks",
    );
  }
  const file = firstNonFolder(real);
  if (file !== undefined) {
    throw new HoldfastError(
      "agent/target-invalid",
      `${paths.toHost(file)} is a file, not a folder: choose another target.path, or move the file away`,
    );
  }
  return target;
}

/** The path with every symlink of its existing part resolved. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (path === "/") throw error;
    // A symlink that leads nowhere must not pass as a folder still to be made: its end may lie anywhere.
    if (isSymlink(path))
      throw new HoldfastError("agent/target-invalid", `${path} is a symlink that leads nowhere: remove it`);
    return join(realPath(dirname(path)), basename(path));
  }
}

const NOTHING_THERE = new Set<unknown>(["ENOENT", "ENOTDIR", "ELOOP"]);

function isSymlink(path: string): boolean {
  return entryAt(path)?.isSymbolicLink() === true;
}

/** Undefined where there is nothing, also because something above is no folder or a symlink that leads in a circle. */
function entryAt(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    if (error instanceof Error && "code" in error && NOTHING_THERE.has(error.code)) return undefined;
    throw error;
  }
}

function firstNonFolder(path: string): string | undefined {
  for (let at = path; ; at = dirname(at)) {
    const found = entryAt(at);
    if (found !== undefined) return found.isDirectory() ? undefined : at;
    if (at === "/") return undefined;
  }
}

/** Throws where less than `needed` bytes are free at `target`; it need not exist yet. */
export function checkFreeSpace(target: string, needed: number): void {
  let at = target;
  while (entryAt(at) === undefined) at = dirname(at);
  const { bavail, bsize } = statfsSync(at);
  const free = bavail * bsize;
  if (free < needed) {
    const rounded = sizeText(needed) === sizeText(free);
    const text = rounded ? (bytes: number) => `${bytes} bytes` : sizeText;
    throw new HoldfastError(
      "agent/target-invalid",
      `the restore needs ${text(needed)}, but only ${text(free)} are free at its target: choose another target, or restore less with include`,
    );
  }
}
