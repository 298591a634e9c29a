import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** Bundles the agent and all it needs into one CommonJS file, which is what a single executable of Node 24 runs. */
export async function bundleAgent(outfile: string): Promise<void> {
  await build({
    entryPoints: [fileURLToPath(new URL("../../agent/main.ts", import.meta.url))],
    outfile,
    bundle: true,
    platform: "node",
    target: "node24",
    format: "cjs",
    // Names stay: a stack in a crash report must say something.
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: "none",
    logLevel: "silent",
  });
}
