import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import type { Lock } from "../gen/lock.ts";
import { importsOf, importViolation } from "./imports.ts";

const LONGEST = 400;
const code = /\.(ts|mts|mjs|go|sh)$/;

/** What the project's own rules have against the files in `root` (ending in "/"); empty when all is well. */
export function checkFiles(root: string): string[] {
  const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
    cwd: root,
    encoding: "utf8",
  })
    .split("\n")
    .filter((file) => code.test(file) && existsSync(`${root}${file}`));
  const lock = JSON.parse(readFileSync(`${root}package-lock.json`, "utf8")) as Lock;
  return [...files.flatMap((file) => checkFile(file, readFileSync(`${root}${file}`, "utf8"))), ...checkLock(lock)];
}

export function checkFile(file: string, source: string): string[] {
  const imports = importsOf(source).map((specifier) => importViolation(file, specifier));
  const lines = source.split("\n").length - 1;
  const long = lines > LONGEST && !file.startsWith("crds/types/");
  return [
    ...imports.filter((violation) => violation !== undefined),
    ...(long ? [`${file} has ${lines} lines, more than ${LONGEST}: it holds more than one idea; split it`] : []),
  ];
}

/** An address in the lock binds everybody to the registry of whoever wrote it. */
export function checkLock(lock: Lock): string[] {
  return Object.entries(lock.packages)
    .filter(([, { resolved }]) => resolved !== undefined && /^https?:/.test(resolved))
    .map(([path]) => `package-lock.json names an address for ${path}: run npm install with this folder's .npmrc again`);
}
