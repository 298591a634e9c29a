import { HoldfastError } from "#base/errors.ts";
import type { RestoreCommand } from "#protocol/command.ts";
import type { PolicyPlan } from "#protocol/config.ts";
import type { Limits } from "#protocol/fields.ts";
import { normalPath } from "../rules.ts";
import type { Paths } from "./paths.ts";

/** restic's arguments. No shell sees them; secrets never stand in them (they go by environment and file). */

/** The smallest of several limits, each absent for none. */
export function smallest(...all: readonly (Limits | undefined)[]): Limits {
  const least = (name: keyof Limits) => {
    const set = all.flatMap((limits) => limits?.[name] ?? []);
    return set.length === 0 ? {} : { [name]: Math.min(...set) };
  };
  return { ...least("uploadKiBps"), ...least("downloadKiBps") };
}

function limitFlags(limits: Limits): string[] {
  return [
    ...(limits.uploadKiBps === undefined ? [] : [`--limit-upload=${limits.uploadKiBps}`]),
    ...(limits.downloadKiBps === undefined ? [] : [`--limit-download=${limits.downloadKiBps}`]),
  ];
}

/** A lock is waited for, not failed on, but never past the run's own deadline. */
const retryLock = (remainingMs: number) => `--retry-lock=${Math.max(1, Math.floor(remainingMs / 1000))}s`;

/** One tag as one argument: restic would split it at commas, and its parts could join another policy's snapshots. */
function tagFlag(tag: string): string {
  if (tag.includes(",")) {
    throw new HoldfastError("agent/bad-tag", `tag ${JSON.stringify(tag)} holds a comma: write two tags instead`);
  }
  return `--tag=${tag}`;
}

/** A path as a restic pattern that matches nothing else. */
function literalPattern(path: string): string {
  return path.replace(/[\\*?[\]]/g, "\\$&");
}

export function backupArgv(options: {
  policy: PolicyPlan;
  paths: Paths;
  /** The Host's name, not the machine's. */
  host: string;
  tags: readonly string[];
  limits: Limits;
  remainingMs: number;
  dryRun: boolean;
  /** The agent's own folders as restic sees them, never backed up. */
  ownFolders: readonly string[];
}): string[] {
  const { policy, paths, limits } = options;
  const { files, restic } = policy;
  return [
    "backup",
    "--json",
    `--host=${options.host}`,
    ...options.tags.map(tagFlag),
    ...files.exclude.map((pattern) => `--exclude=${paths.patternToRestic(pattern)}`),
    // Last, because a later pattern wins and one of the policy's may begin with `!`.
    ...options.ownFolders.map((folder) => `--exclude=${literalPattern(folder)}`),
    ...files.excludeIfPresent.map((name) => `--exclude-if-present=${name}`),
    ...(files.excludeCaches ? ["--exclude-caches"] : []),
    ...(files.excludeLargerThanBytes === undefined ? [] : [`--exclude-larger-than=${files.excludeLargerThanBytes}`]),
    ...(files.oneFileSystem ? ["--one-file-system"] : []),
    ...(restic.compression === undefined ? [] : [`--compression=${restic.compression}`]),
    ...(restic.packSizeMiB === undefined ? [] : [`--pack-size=${restic.packSizeMiB}`]),
    ...(restic.readConcurrency === undefined ? [] : [`--read-concurrency=${restic.readConcurrency}`]),
    ...(restic.skipIfUnchanged ? ["--skip-if-unchanged"] : []),
    ...(options.dryRun ? ["--dry-run"] : []),
    ...limitFlags(limits),
    retryLock(options.remainingMs),
    "--",
    ...files.paths.map((path) => paths.toRestic(normalPath(path))),
  ];
}

/**
 * One restic process of a restore: a whole snapshot (`from` is empty), or one of its folders, to a folder as restic sees
 * it. Below a folder, restic counts patterns from that folder.
 */
export function restoreArgv(options: {
  command: Pick<RestoreCommand, "include" | "exclude" | "overwrite" | "verify" | "dryRun">;
  snapshotID: string;
  from: string;
  target: string;
  limits: Limits;
  remainingMs: number;
}): string[] {
  const { command, snapshotID, from } = options;
  const overwrite = { Always: "always", IfChanged: "if-changed", IfNewer: "if-newer", Never: "never" } as const;
  return [
    "restore",
    "--json",
    `--target=${options.target}`,
    ...command.include.map((text) => `--include=${text}`),
    ...command.exclude.map((text) => `--exclude=${text}`),
    `--overwrite=${overwrite[command.overwrite]}`,
    // restic refuses both together: nothing was written that could be verified.
    ...(command.dryRun ? ["--dry-run"] : command.verify ? ["--verify"] : []),
    ...limitFlags(options.limits),
    retryLock(options.remainingMs),
    "--",
    from === "" ? snapshotID : `${snapshotID}:${from}`,
  ];
}

/** Reads the repository's own id. Takes no lock, as a reader on an append-only server may not be able to. */
export const catConfigArgv = ["cat", "config", "--json", "--no-lock"];
export const initArgv = ["init", "--json"];
export const listLocksArgv = ["list", "locks", "--no-lock"];
export const catLockArgv = (id: string) => ["cat", "lock", id, "--no-lock"];

/** Snapshots that have all of `tags`. */
export function snapshotsArgv(filter: { host?: string; tags?: readonly string[] }): string[] {
  const tags = filter.tags ?? [];
  for (const tag of tags) tagFlag(tag);
  return [
    "snapshots",
    "--json",
    "--no-lock",
    ...(filter.host === undefined ? [] : [`--host=${filter.host}`]),
    // A comma joins tags that must all be there; the flag repeated would join alternatives.
    ...(tags.length === 0 ? [] : [`--tag=${tags.join(",")}`]),
  ];
}

/** The environment of a restic: nothing of the agent's own, only what is named here. */
export function resticEnvironment(options: {
  url: string;
  env: Readonly<Record<string, string>>;
  passwordFile: string;
  caFile?: string;
  /** For the repository's cache. */
  cache: string;
  temporary: string;
}): Record<string, string> {
  return {
    ...options.env,
    // The shim's sync and mv, and ssh or rclone where this host allows them.
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    RESTIC_REPOSITORY: options.url,
    RESTIC_PASSWORD_FILE: options.passwordFile,
    ...(options.caFile === undefined ? {} : { RESTIC_CACERT: options.caFile }),
    RESTIC_CACHE_DIR: options.cache,
    TMPDIR: options.temporary,
    RESTIC_PROGRESS_FPS: "0.5",
  };
}
