import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { messageOf } from "#base/errors.ts";
import { checkFiles } from "./files.ts";

// Everything that is checked without running the product, at once: `npm run check`.
const root = fileURLToPath(new URL("../..", import.meta.url));

interface Outcome {
  ok: boolean;
  output: string;
}

const steps: [name: string, run: () => Promise<Outcome>][] = [
  ["types (tsc)", () => run("tsc", ["--noEmit"])],
  ["format and lint (biome)", () => run("biome", ["ci", "--colors=off"])],
  ["dead code and dependencies (knip)", () => run("knip", ["--no-progress"])],
  ["generated files", () => run("node", ["hack/gen/main.ts", "--check"])],
  ["import rules, file sizes, lock file", ownRules],
];

const started = performance.now();
const outcomes = await Promise.all(
  steps.map(async ([name, run]) => {
    const outcome = await run().catch((error: unknown): Outcome => ({ ok: false, output: messageOf(error) }));
    console.log(`${outcome.ok ? "ok    " : "FAILED"} ${name} (${seconds()} s)`);
    if (!outcome.ok) console.log(outcome.output.trimEnd());
    return outcome.ok;
  }),
);
const failed = outcomes.filter((ok) => !ok).length;
console.log(failed === 0 ? `all ${steps.length} checks passed` : `${failed} of ${steps.length} checks failed`);
process.exitCode = failed === 0 ? 0 : 1;

async function ownRules(): Promise<Outcome> {
  const violations = checkFiles(root);
  return { ok: violations.length === 0, output: violations.join("\n") };
}

/** Runs a program of node_modules/.bin (so Node 24 too), whatever PATH is. */
function run(program: string, args: string[]): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const bin = `${root}node_modules/.bin`;
    const child = spawn(`${bin}/${program}`, args, {
      cwd: root,
      env: { ...process.env, PATH: `${bin}:${process.env["PATH"] ?? ""}` },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    const keep = (chunk: string) => {
      output += chunk;
    };
    child.stdout.setEncoding("utf8").on("data", keep);
    child.stderr.setEncoding("utf8").on("data", keep);
    child.on("error", reject);
    child.on("close", (code) => resolve({ ok: code === 0, output }));
  });
}

function seconds(): string {
  return ((performance.now() - started) / 1000).toFixed(1);
}
