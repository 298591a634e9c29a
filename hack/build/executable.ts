import { execFile } from "node:child_process";
import { chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { HoldfastError } from "#base/errors.ts";
import { bundleAgent } from "./bundle.ts";

const run = promisify(execFile);

/** As Node's npm packages and its downloads name them. */
export const ARCHITECTURES = ["x64", "arm64"] as const;
export type Architecture = (typeof ARCHITECTURES)[number];

/** Marks the place in Node's binary that says whether there is a program in it: Node's own constant. */
const SENTINEL_FUSE = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2";

/** Writes the agent with Node in it as one executable file, for this release of Node. */
export async function buildAgent(output: string, architecture: Architecture): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-build-"));
  try {
    const main = join(folder, "agent.cjs");
    const blob = join(folder, "agent.blob");
    const config = join(folder, "config.json");
    await bundleAgent(main);
    const native = architecture === process.arch;
    // Compiled code is of this machine's kind; without it an executable for another one starts a little later.
    const options = { main, output: blob, disableExperimentalSEAWarning: true, useCodeCache: native };
    writeFileSync(config, JSON.stringify(options));
    await run(process.execPath, ["--experimental-sea-config", config]);
    copyFileSync(native ? process.execPath : await foreignNode(architecture, folder), output);
    chmodSync(output, 0o755);
    const injected = [output, "NODE_SEA_BLOB", blob, "--sentinel-fuse", SENTINEL_FUSE];
    await run(process.execPath, [fileURLToPath(import.meta.resolve("postject/dist/cli.js")), ...injected]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Node's binary of this release for another architecture, from npm; npm checks what it downloads. */
async function foreignNode(architecture: Architecture, folder: string): Promise<string> {
  const name = `node-linux-${architecture}@${process.versions.node}`;
  try {
    const { stdout } = await run("npm", ["pack", "--silent", "--pack-destination", folder, name]);
    await run("tar", ["-xzf", join(folder, stdout.trim()), "-C", folder]);
  } catch (cause) {
    throw new HoldfastError("build/node", `${name} could not be had from npm: ${String(cause)}`, { cause });
  }
  return join(folder, "package/bin/node");
}
