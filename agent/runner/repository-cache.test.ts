import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { repositoryCache } from "./repository-cache.ts";

const PINNED = "a".repeat(64);
const OTHER = "b".repeat(64);
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "holdfast-cache-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** As restic does when it opens a repository. */
function open(cache: string, id: string, at = new Date()): void {
  mkdirSync(join(cache, id), { recursive: true });
  utimesSync(join(cache, id), at, at);
}

const cacheOf = () => repositoryCache(folder, PINNED, join(folder, "attempt-1/began"));

test("a repository with a pinned id has a cache folder of its own", () => {
  expect(cacheOf().folder).toBe(join(folder, PINNED));
  expect(repositoryCache(folder, undefined, join(folder, "began")).folder).toBe(folder);
});

test("tells what was opened since the mark and nothing from before it", () => {
  const cache = cacheOf();
  open(cache.folder, PINNED, new Date(Date.now() - 60_000));
  open(cache.folder, OTHER, new Date(Date.now() - 60_000));
  cache.mark();
  expect(cache.opened()).toEqual([]);
  open(cache.folder, PINNED, new Date(Date.now() + 10));
  expect(cache.opened()).toEqual([PINNED]);
  open(cache.folder, OTHER, new Date(Date.now() + 10));
  expect(cache.opened().sort()).toEqual([PINNED, OTHER]);
});

test("tells by no clock: it may be set, and a cache on another machine has one of its own", () => {
  const cache = cacheOf();
  const [ahead, behind] = [new Date(Date.now() + 3_600_000), new Date(Date.now() - 3_600_000)];
  open(cache.folder, OTHER, ahead);
  cache.mark();
  expect(cache.opened()).toEqual([]);
  open(cache.folder, PINNED, behind);
  expect(cache.opened()).toEqual([PINNED]);
});

test("keeps the mark that a former process of the agent made", () => {
  cacheOf().mark();
  open(cacheOf().folder, PINNED, new Date(Date.now() + 10));
  cacheOf().mark();
  open(cacheOf().folder, OTHER, new Date(1_000));
  expect(cacheOf().opened().sort()).toEqual([PINNED, OTHER]);
});

test("tells nothing by a mark that was lost in writing", () => {
  const cache = cacheOf();
  cache.mark();
  writeFileSync(join(folder, "attempt-1/began"), "");
  open(cache.folder, PINNED);
  expect(cache.opened()).toEqual([]);
});

test("tells nothing without a mark, without a cache, or of folders that are no repository's", () => {
  const cache = cacheOf();
  open(cache.folder, PINNED);
  expect(cache.opened()).toEqual([]);
  rmSync(cache.folder, { recursive: true });
  cache.mark();
  expect(cache.opened()).toEqual([]);
  open(cache.folder, "restic-check-cache-1", new Date(Date.now() + 10));
  writeFileSync(join(cache.folder, "CACHEDIR.TAG"), "");
  expect(cache.opened()).toEqual([]);
});
