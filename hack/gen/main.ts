import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { messageOf } from "#base/errors.ts";
import { generate } from "./generate.ts";

// Writes every generated file, or with --check fails when one differs from what would be written.
const root = fileURLToPath(new URL("../..", import.meta.url));

try {
  const [option, ...rest] = process.argv.slice(2);
  if ((option !== undefined && option !== "--check") || rest.length > 0) {
    throw new Error("usage: npm run generate [-- --check]");
  }
  const wanted = await generate(root);
  const stale = staleFiles(wanted);
  if (option === "--check" && stale.length > 0) {
    throw new Error(`out of date: ${stale.join(", ")}. Run \`npm run generate\` and commit the result.`);
  }
  for (const path of stale) {
    const content = wanted.get(path);
    if (content === undefined) rmSync(`${root}${path}`);
    else writeFileSync(`${root}${path}`, content);
    console.log(`${content === undefined ? "removed" : "wrote"} ${path}`);
  }
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = 1;
}

/** Paths whose content is not as wanted; a file in crds/types that nobody wants is one of them. */
function staleFiles(wanted: Map<string, string>): string[] {
  mkdirSync(`${root}crds/types`, { recursive: true });
  const present = readdirSync(`${root}crds/types`).map((file) => `crds/types/${file}`);
  const orphans = present.filter((path) => !wanted.has(path));
  return [...[...wanted].filter(([path, content]) => read(path) !== content).map(([path]) => path), ...orphans];
}

function read(path: string): string | undefined {
  try {
    return readFileSync(`${root}${path}`, "utf8");
  } catch {
    return undefined;
  }
}
