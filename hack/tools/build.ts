import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { dirname } from "node:path";
import { HoldfastError } from "#base/errors.ts";
import type { ToolModule } from "./modules.ts";
import { goIsNewEnough } from "./version.ts";

const PROGRESS_EVERY_MS = 10_000;
/** Of go's output on failure: enough for every compiler error that matters. */
const KEPT_OUTPUT_BYTES = 16 * 1024;

/** Builds the module's binary into `destination`, which appears whole or not at all. The caller holds the lock. */
export async function build(
  module: ToolModule,
  platform: { os: string; arch: string },
  destination: string,
  report: (line: string) => void,
): Promise<void> {
  await checkGo(module);
  const parent = dirname(destination);
  mkdirSync(parent, { recursive: true });
  // A killed build leaves its folder; whoever holds the lock now knows that nobody works in it.
  for (const entry of readdirSync(parent)) {
    if (entry.startsWith(`.building-${module.name}-`)) rmSync(`${parent}/${entry}`, { recursive: true, force: true });
  }
  const folder = mkdtempSync(`${parent}/.building-${module.name}-`);
  try {
    await compile(module, platform, `${folder}/${module.name}`, report);
    for (const program of module.programs) {
      if (program !== module.name) symlinkSync(module.name, `${folder}/${program}`);
    }
    renameSync(folder, destination);
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

async function compile(
  module: ToolModule,
  platform: { os: string; arch: string },
  output: string,
  report: (line: string) => void,
): Promise<void> {
  const title = `${module.name} ${module.version}`;
  const started = performance.now();
  const seconds = () => Math.round((performance.now() - started) / 1000);
  report(`tools: building ${title} from its Go modules (once; kept in ${dirname(dirname(output))})`);
  const ticker = setInterval(() => report(`tools: building ${title}: ${seconds()} s`), PROGRESS_EVERY_MS);
  try {
    const flags = ["-buildvcs=false", "-trimpath", "-mod=readonly", "-ldflags", module.linkerFlags];
    const result = await go(["build", ...flags, "-o", output, module.target], module.folder, platform);
    if (result.code !== 0) {
      throw new HoldfastError(
        "tools/build-failed",
        `go could not build ${title} in ${module.folder}: see go's message, mend that (network, disk space, memory) and try again.\n${result.output}`,
      );
    }
  } finally {
    clearInterval(ticker);
  }
  report(`tools: built ${title} in ${seconds()} s`);
}

async function checkGo(module: ToolModule): Promise<void> {
  const needed = `Go ${module.goVersion} or newer is needed to build ${module.name} ${module.version}`;
  const result = await go(["env", "GOVERSION"], module.folder).catch((cause: unknown) => {
    throw new HoldfastError("tools/go-missing", `${needed}, and no go is on PATH: install Go and try again`, { cause });
  });
  // With GOTOOLCHAIN=local, a go that is older than the go directive refuses even this, and names both versions.
  if (result.code !== 0 || !goIsNewEnough(result.output.trim(), module.goVersion)) {
    throw new HoldfastError(
      "tools/go-too-old",
      `${needed}, but the go on PATH says: ${result.output.trim()}. Install a newer Go and try again`,
    );
  }
}

/** Runs go with the settings that make its result depend on the module alone, whatever the user's environment says. */
function go(
  args: string[],
  cwd: string,
  platform?: { os: string; arch: string },
): Promise<{ code: number | null; output: string }> {
  const environment = {
    ...process.env,
    GOFLAGS: "",
    GOWORK: "off",
    GO111MODULE: "on",
    GOTOOLCHAIN: "local",
    CGO_ENABLED: "0",
    ...(platform !== undefined && { GOOS: platform.os, GOARCH: platform.arch }),
  };
  return new Promise((resolve, reject) => {
    const child = spawn("go", args, { cwd, env: environment, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const keep = (chunk: string) => {
      output = (output + chunk).slice(-KEPT_OUTPUT_BYTES);
    };
    child.stdout.setEncoding("utf8").on("data", keep);
    child.stderr.setEncoding("utf8").on("data", keep);
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, output }));
  });
}
