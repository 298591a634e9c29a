import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute } from "node:path";
import { HoldfastError } from "#base/errors.ts";
import { build } from "./build.ts";
import { findInstalled } from "./installed.ts";
import { withLock } from "./lock.mjs";
import { moduleKey, moduleOf, type ToolName } from "./modules.ts";

/** Go's names for the processors that Node names otherwise. */
const processors: Partial<Record<NodeJS.Architecture, string>> = { x64: "amd64", arm64: "arm64" };

/**
 * Absolute paths of the named programs at their pinned versions: from the cache, else from PATH when the version fits,
 * else built from the Go modules beside this file (minutes, once). Safe when several processes ask at once.
 * `report` gets progress, a line a time.
 */
export async function ensureTools<Name extends ToolName>(
  names: readonly Name[],
  { report }: { report(line: string): void },
): Promise<Record<Name, string>> {
  const paths: Partial<Record<Name, string>> = {};
  for (const name of names) paths[name] = await ensureTool(name, report);
  return paths as Record<Name, string>;
}

async function ensureTool(name: ToolName, report: (line: string) => void): Promise<string> {
  const module = moduleOf(name);
  const platform = { os: process.platform, arch: processors[process.arch] ?? process.arch };
  const folder = `${cacheFolder()}/${module.name}-${moduleKey(module, `${platform.os}/${platform.arch}`)}`;
  const cached = `${folder}/${name}`;
  if (existsSync(cached)) return cached;
  const installed = await findInstalled(name, module.version, process.env["PATH"] ?? "");
  if (installed !== undefined) return installed;
  await withLock(
    `build ${folder}`,
    () => report(`tools: another process builds ${module.name}; waiting for it`),
    async () => {
      if (!existsSync(cached)) await build(module, platform, folder, report);
    },
  );
  return cached;
}

/** Outside the work tree, so that every clone and every fresh checkout on this machine shares one build. */
function cacheFolder(): string {
  const base = process.env["XDG_CACHE_HOME"] || `${homedir()}/.cache`;
  if (!isAbsolute(base)) {
    throw new HoldfastError(
      "tools/cache-folder",
      `XDG_CACHE_HOME is ${base}, which is no absolute path: correct or unset it`,
    );
  }
  return `${base}/holdfast/tools`;
}
