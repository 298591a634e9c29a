import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";

/**
 * restic's cache holds one folder for each repository, named by the repository's id, and restic sets the folder's time
 * whenever it opens that repository (it finds caches that nobody uses any more by this). So the cache tells, without
 * opening the repository once more, which one answered at an address.
 */
export interface RepositoryCache {
  /** RESTIC_CACHE_DIR. One for each pinned id: an id other than the pinned one in it came from the same address. */
  folder: string;
  /** To be called before the first restic of an attempt; again after a restart of the agent it changes nothing. */
  mark(): void;
  /** Ids of the repositories opened since the mark; empty where the cache tells nothing. */
  opened(): string[];
}

/** `mark` is a file of the attempt. It keeps the folders' times, because clocks are set and a cache may have another one. */
export function repositoryCache(cacheDir: string, repositoryID: string | undefined, mark: string): RepositoryCache {
  const folder = repositoryID === undefined ? cacheDir : `${cacheDir}/${repositoryID}`;
  return {
    folder,
    mark() {
      try {
        mkdirSync(mark.slice(0, mark.lastIndexOf("/")), { recursive: true, mode: 0o700 });
        writeFileSync(mark, JSON.stringify(timesIn(folder)), { flag: "wx", mode: 0o600 });
      } catch {
        // An old one counts; without one the cache tells nothing, and restic is asked.
      }
    },
    opened() {
      try {
        const before = JSON.parse(readFileSync(mark, "utf8"));
        return Object.entries(timesIn(folder)).flatMap(([id, time]) => (before[id] === time ? [] : [id]));
      } catch {
        return [];
      }
    },
  };
}

/** By repository id, in nanoseconds. */
function timesIn(folder: string): { [id: string]: string } {
  const ids = existsSync(folder) ? readdirSync(folder).filter((name) => /^[0-9a-f]{64}$/.test(name)) : [];
  return Object.fromEntries(ids.map((id) => [id, String(statSync(`${folder}/${id}`, { bigint: true }).mtimeNs)]));
}
