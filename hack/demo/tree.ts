import { createHash } from "node:crypto";
import {
  chmod,
  link,
  lstat,
  lutimes,
  mkdir,
  readdir,
  readFile,
  readlink,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { between, type Random } from "#base/random.ts";

/** What a restored tree is compared by. Times in nanoseconds, because restic keeps them. */
export interface Entry {
  type: "file" | "folder" | "symlink";
  /** SHA-256 of a file's content, or a symlink's target. */
  content: string;
  mode: number;
  mtimeNs: bigint;
}

/** Names that have broken backup programs: spaces, quotes, a newline, a leading dash, other scripts, a long one. */
const ODD_NAMES = ["with space", "it's", 'say "hi"', "two\nlines", "-rf", "größe", "写真", "🗄", "n".repeat(200)];

/**
 * Writes a tree of about `files` files below `root`: many small ones, a few large ones, empty ones, links, odd names,
 * different modes and times. The same `random` makes the same tree.
 */
export async function growTree(root: string, files: number, random: Random): Promise<void> {
  const perFolder = 40;
  const folders = Math.ceil(files / perFolder);
  const times: [string, number][] = [];
  for (let f = 0; f < folders; f++) {
    const folder = join(root, `customer-${f % 25}`, `year-${2000 + (f % 27)}`, `case-${f}`);
    await mkdir(folder, { recursive: true });
    const writes: Promise<void>[] = [];
    for (let i = 0; i < perFolder; i++) {
      const path = join(folder, f === 0 && i < ODD_NAMES.length ? ODD_NAMES[i]! : `document-${i}.txt`);
      // Sizes over six orders of magnitude, most of them small, as in real file servers.
      const size = i === 39 ? 0 : Math.floor(10 ** between(random, 0, f % 50 === 0 && i === 0 ? 6.3 : 4.2));
      const content = Buffer.alloc(size);
      for (let at = 0; at < size; at += 4) content.writeUInt8(Math.floor(random.next() * 256), at);
      const mode = [0o644, 0o600, 0o755, 0o400][i % 4]!;
      const mtime = 1_000_000_000 + Math.floor(random.next() * 700_000_000) + Math.floor(random.next() * 1000) / 1000;
      writes.push(
        writeFile(path, content).then(async () => {
          await chmod(path, mode);
          await utimes(path, mtime, mtime);
        }),
      );
    }
    await Promise.all(writes);
    if (f % 20 === 0) {
      await symlink("document-20.txt", join(folder, "newest"));
      await lutimes(join(folder, "newest"), 1_100_000_000, 1_100_000_000);
      await symlink("/nowhere/at/all", join(folder, "dangling"));
      await link(join(folder, "document-21.txt"), join(folder, "hard-link.txt"));
    }
    times.push([folder, 1_200_000_000 + f]);
  }
  await mkdir(join(root, "empty folder"), { mode: 0o750 });
  // Last, and the deepest first: writing into a folder changes its time.
  for (const [folder, time] of times.reverse()) await utimes(folder, time, time);
}

/** Every entry below `root`, by its path relative to it. */
export async function readTree(root: string): Promise<Map<string, Entry>> {
  const entries = new Map<string, Entry>();
  const folders = ["."];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    entries.set(folder, await readEntry(join(root, folder)));
    // Side by side within a folder only: all at once would need a file descriptor for each file of the tree.
    const children = await readdir(join(root, folder), { withFileTypes: true });
    for (const child of children) if (child.isDirectory()) folders.push(join(folder, child.name));
    await Promise.all(
      children
        .filter((child) => !child.isDirectory())
        .map(async ({ name }) => entries.set(join(folder, name), await readEntry(join(root, folder, name)))),
    );
  }
  return entries;
}

async function readEntry(path: string): Promise<Entry> {
  const stat = await lstat(path, { bigint: true });
  const rest = { mode: Number(stat.mode & 0o7777n), mtimeNs: stat.mtimeNs };
  if (stat.isSymbolicLink()) return { type: "symlink", content: await readlink(path), ...rest };
  if (stat.isDirectory()) return { type: "folder", content: "", ...rest };
  return {
    type: "file",
    content: createHash("sha256")
      .update(await readFile(path))
      .digest("hex"),
    ...rest,
  };
}

/** One line for each difference, at most `limit`; none when the trees are equal in content, mode and time. */
export function differences(want: Map<string, Entry>, got: Map<string, Entry>, limit = 10): string[] {
  const found: string[] = [];
  for (const [path, entry] of want) {
    const other = got.get(path);
    if (other === undefined) found.push(`${path} is missing`);
    else {
      if (entry.type !== other.type) found.push(`${path} is a ${other.type}, was a ${entry.type}`);
      if (entry.content !== other.content) found.push(`${path} has other content`);
      if (entry.mode !== other.mode)
        found.push(`${path} has mode ${other.mode.toString(8)}, had ${entry.mode.toString(8)}`);
      if (entry.mtimeNs !== other.mtimeNs) found.push(`${path} has time ${other.mtimeNs}, had ${entry.mtimeNs}`);
    }
    if (found.length >= limit) return found;
  }
  for (const path of got.keys()) if (!want.has(path)) found.push(`${path} was not there before`);
  return found.slice(0, limit);
}
