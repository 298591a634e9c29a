import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { HoldfastError } from "#base/errors.ts";
import { sha256 } from "#protocol/canonical.ts";
import { type OpenAccess, secretsOf } from "./secrets.ts";

/** Where a repository's key lies while a restic needs it. */
export interface SecretFiles {
  passwordFile: string;
  /** PEM authorities, where the repository names some. */
  caFile?: string;
}

/** Gives restic its secrets as files in memory, never on a disk where the machine has memory to offer. */
export interface SecretFolder {
  /** Absolute; restic is told to leave it out of every backup. */
  readonly base: string;
  /** The files of one run or restore, written again where they are there already. */
  write(uid: string, access: OpenAccess): SecretFiles;
  /** What must not be shown of a restic that `write` was called for, also by a former process. */
  known(uid: string): string[];
  remove(uid: string): void;
  /** Removes those of all others: no living restic needs them any more. */
  retain(uids: readonly string[]): void;
}

/** `stateDir` names this agent among others of the same user, and is the last resort without a tmpfs. */
export function openSecretFolder(stateDir: string, runtimeDir: string | undefined): SecretFolder {
  const own = `holdfast-agent-${process.getuid?.() ?? 0}-${sha256(stateDir).slice(0, 12)}`;
  const places = [runtimeDir, "/dev/shm"].filter((place) => place !== undefined && place !== "");
  const base = [...places.map((place) => `${place}/${own}`), `${stateDir}/secrets`].find(ours);
  if (base === undefined) throw notPrivate(stateDir);
  const inMemory = !base.startsWith(`${stateDir}/`);
  // A hash, because a uid from outside may be "..".
  const entry = (uid: string) => sha256(uid).slice(0, 32);
  removeIfEmpty(base);
  return {
    base,
    write(uid, access) {
      if (!ours(base)) throw notPrivate(base);
      const folder = `${base}/${entry(uid)}`;
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      // On a disk lies what restic must have there, and no more.
      if (inMemory) writeFileSync(`${folder}/known`, JSON.stringify(secretsOf(access)), { mode: 0o600 });
      const passwordFile = `${folder}/password`;
      writeFileSync(passwordFile, access.password, { mode: 0o600 });
      if (access.ca === undefined) return { passwordFile };
      const caFile = `${folder}/ca.pem`;
      writeFileSync(caFile, access.ca, { mode: 0o600 });
      return { passwordFile, caFile };
    },
    known(uid) {
      const folder = `${base}/${entry(uid)}`;
      try {
        if (existsSync(`${folder}/known`)) return JSON.parse(readFileSync(`${folder}/known`, "utf8"));
        return [readFileSync(`${folder}/password`, "utf8")];
      } catch {
        return [];
      }
    },
    remove(uid) {
      rmSync(`${base}/${entry(uid)}`, { recursive: true, force: true });
      removeIfEmpty(base);
    },
    retain(uids) {
      const needed = new Set(uids.map(entry));
      for (const found of existsSync(base) ? readdirSync(base) : []) {
        if (!needed.has(found)) rmSync(`${base}/${found}`, { recursive: true, force: true });
      }
      removeIfEmpty(base);
    },
  };
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Not empty, or gone already.
  }
}

function notPrivate(folder: string): HoldfastError {
  return new HoldfastError(
    "agent/no-private-folder",
    `${folder} cannot be made a folder of this agent alone: remove what is there, or make its parent writable`,
  );
}

/** Anybody may write to /dev/shm: a folder that another user made first, or a symlink, is not used. */
function ours(folder: string): boolean {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) return false;
  }
  const found = lstatSync(folder);
  return found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o077) === 0;
}
