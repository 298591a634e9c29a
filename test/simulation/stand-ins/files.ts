import type { Inode } from "../disk.ts";
import { Killed, running } from "../process.ts";

/** Stands in for node:fs in the agent: the calls it makes, on the disk of the machine whose process runs just now. */
interface Open {
  readonly path: string;
  readonly append: boolean;
  at: number;
}

const opened = new Map<number, Open>();
let lastDescriptor = 100;

/** Of a history that is over. */
export function closeAll(): void {
  opened.clear();
}

function disk() {
  const found = running.process?.disk;
  if (found === undefined) throw new Killed();
  found.access();
  return found;
}

function failure(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code, errno: -1, syscall: "simulated", path });
}

function change<T>(path: string, write: () => T): T {
  // A file system of its own.
  if (path.startsWith("/dev/shm/")) return write();
  const full = () => failure("ENOSPC", path);
  return disk().change(write, full, () => failure("EIO", path));
}

function inode(path: string): Inode {
  const found = disk().files.get(path);
  if (found === undefined) throw failure("ENOENT", path);
  return found;
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

function below(path: string): string[] {
  return [...disk().files.keys()].filter((other) => other.startsWith(`${path}/`));
}

type Path = string;

export function existsSync(path: Path): boolean {
  return disk().files.has(path);
}

export function mkdirSync(path: Path, options: { recursive?: boolean; mode?: number } = {}): void {
  const { files } = disk();
  if (files.has(path)) {
    if (options.recursive === true) return;
    throw failure("EEXIST", path);
  }
  if (!files.has(parentOf(path))) {
    if (options.recursive !== true) throw failure("ENOENT", path);
    mkdirSync(parentOf(path), options);
  }
  change(path, () => disk().makeFolder(path, options.mode));
}

export function chmodSync(path: Path, mode: number): void {
  inode(path).mode = mode;
}

export function readdirSync(path: Path): string[] {
  inode(path);
  const prefix = path === "/" ? "/" : `${path}/`;
  return below(path === "/" ? "" : path)
    .map((other) => other.slice(prefix.length))
    .filter((name) => !name.includes("/"));
}

export function rmSync(path: Path, options: { recursive?: boolean; force?: boolean } = {}): void {
  const { files } = disk();
  if (!files.has(path)) {
    if (options.force === true) return;
    throw failure("ENOENT", path);
  }
  change(path, () => {
    for (const other of below(path)) files.delete(other);
    files.delete(path);
  });
}

export function rmdirSync(path: Path): void {
  inode(path);
  if (below(path).length > 0) throw failure("ENOTEMPTY", path);
  change(path, () => disk().files.delete(path));
}

export function renameSync(from: Path, to: Path): void {
  const moved = inode(from);
  change(to, () => {
    disk().files.delete(from);
    disk().files.set(to, moved);
  });
}

export function openSync(path: Path, flags: string, mode = 0o666): number {
  const { files } = disk();
  const found = files.get(path);
  if (found === undefined) {
    if (flags.startsWith("r")) throw failure("ENOENT", path);
    if (!files.has(parentOf(path))) throw failure("ENOENT", path);
    const made = { folder: false, mode, data: Buffer.alloc(0), synced: undefined, mtime: disk().mtime() };
    change(path, () => files.set(path, made));
  } else if (flags.startsWith("w")) change(path, () => Object.assign(found, { data: Buffer.alloc(0) }));
  opened.set(++lastDescriptor, { path, append: flags.startsWith("a"), at: 0 });
  return lastDescriptor;
}

function descriptor(file: number): Open {
  disk();
  const found = opened.get(file);
  if (found === undefined) throw failure("EBADF", String(file));
  return found;
}

export function closeSync(file: number): void {
  opened.delete(file);
}

export function readSync(file: number, into: Buffer, offset = 0, length = into.length, position?: number): number {
  const open = descriptor(file);
  const { data } = inode(open.path);
  const from = position ?? open.at;
  const count = data.copy(into, offset, from, Math.min(data.length, from + length));
  if (position === undefined) open.at += count;
  return count;
}

export function writeSync(file: number, data: Uint8Array): number {
  const open = descriptor(file);
  const found = inode(open.path);
  return change(open.path, () => {
    const start = open.append ? found.data.length : open.at;
    found.data = Buffer.concat([found.data.subarray(0, start), data, found.data.subarray(start + data.length)]);
    found.mtime = disk().mtime();
    open.at = start + data.length;
    return data.length;
  });
}

export function fsyncSync(file: number): void {
  const { path } = descriptor(file);
  const found = inode(path);
  change(path, () => {
    if (!found.folder) found.synced = found.data;
  });
}

export function ftruncateSync(file: number, length: number): void {
  const { path } = descriptor(file);
  const found = inode(path);
  change(path, () => {
    found.data = found.data.subarray(0, length);
  });
}

export function fstatSync(file: number): ReturnType<typeof statSync> {
  return statSync(descriptor(file).path);
}

export function statSync(path: Path) {
  const found = inode(path);
  return {
    size: found.data.length,
    mode: found.mode,
    uid: process.getuid?.() ?? 0,
    mtimeNs: found.mtime,
    isDirectory: () => found.folder,
    isFile: () => !found.folder,
    isSymbolicLink: () => false,
  };
}

export function lstatSync(...args: Parameters<typeof statSync>): ReturnType<typeof statSync> {
  return statSync(...args);
}

export function statfsSync(): { bavail: number; bsize: number } {
  return { bavail: 1_000_000, bsize: 4096 };
}

export function realpathSync(path: Path): string {
  inode(path);
  return path;
}

export function accessSync(path: Path): void {
  inode(path);
}

export function readFileSync(path: Path, encoding?: string): Buffer | string {
  const stat = /^\/proc\/(\d+)\/stat$/.exec(path);
  if (stat !== null) {
    const text = disk().stat(Number(stat[1]));
    if (text === undefined) throw failure("ENOENT", path);
    return text;
  }
  const { data, folder } = inode(path);
  if (folder) throw failure("EISDIR", path);
  return encoding === undefined ? Buffer.from(data) : data.toString("utf8");
}

export function writeFileSync(
  path: Path | number,
  data: string | Uint8Array,
  options: { flag?: string; mode?: number } = {},
) {
  if (typeof path === "number") {
    writeSync(path, Buffer.from(data));
    return;
  }
  if (options.flag === "wx" && existsSync(path)) throw failure("EEXIST", path);
  const file = openSync(path, "w", options.mode);
  try {
    writeSync(file, Buffer.from(data));
  } finally {
    closeSync(file);
  }
}

/** node:fs/promises. */
export const lstat = async (path: Path) => statSync(path);
export const readFile = async (path: Path, encoding?: string) => readFileSync(path, encoding);
export const opendir = async (path: Path) =>
  readdirSync(path).map((name) => ({ name, ...statSync(`${path}/${name}`) }));
