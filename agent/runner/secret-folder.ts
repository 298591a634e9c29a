import { lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { sha256 } from "#protocol/canonical.ts";
import type { OpenAccess } from "./secrets.ts";

/** Where a repository's key lies while a restic needs it. */
export interface SecretFiles {
  folder: string;
  passwordFile: string;
  /** PEM authorities, where the repository names some. */
  caFile?: string;
}

/** Gives restic its secrets as files in memory, never on a disk where the machine has memory to offer. */
export interface SecretFolder {
  /** Absolute; restic is told to leave it out of every backup. */
  readonly base: string;
  write(access: OpenAccess): SecretFiles;
  remove(folder: string): void;
  /** Removes what no living restic needs any more. */
  sweep(needed: ReadonlySet<string>): void;
}

/** `stateDir` names this agent among others of the same user, and is the last resort without a tmpfs. */
export function openSecretFolder(stateDir: string, runtimeDir: string | undefined): SecretFolder {
  const name = `holdfast-agent-${process.getuid?.() ?? 0}-${sha256(stateDir).slice(0, 12)}`;
  const places = [runtimeDir, "/dev/shm"].filter((place) => place !== undefined && place !== "");
  const base = [...places.map((place) => `${place}/${name}`), `${stateDir}/secrets`].find(ours);
  if (base === undefined) throw new Error(`no private folder can be made in ${stateDir}`);
  return {
    base,
    write(access) {
      const folder = mkdtempSync(`${base}/r-`);
      const passwordFile = `${folder}/password`;
      writeFileSync(passwordFile, access.password, { mode: 0o600 });
      if (access.ca === undefined) return { folder, passwordFile };
      const caFile = `${folder}/ca.pem`;
      writeFileSync(caFile, access.ca, { mode: 0o600 });
      return { folder, passwordFile, caFile };
    },
    remove: (folder) => rmSync(folder, { recursive: true, force: true }),
    sweep(needed) {
      for (const entry of readdirSync(base)) {
        if (!needed.has(entry)) rmSync(`${base}/${basename(entry)}`, { recursive: true, force: true });
      }
    },
  };
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
