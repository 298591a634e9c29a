// Installs the locked packages when they are missing or the lock changed. Runs before anything is installed, on the
// machine's own Node (20.4 or newer: abstract sockets), so it is plain JavaScript without dependencies.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const stamp = `${root}node_modules/.holdfast-lock`;

const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 4)) {
  fail(
    `Node ${process.versions.node} is too old: install Node 20.4 or newer (the rest, Node 24 included, is installed here).`,
  );
}
if (process.platform !== "linux")
  fail(`Holdfast is developed on Linux; this is ${process.platform}. Use a Linux machine or VM.`);
if (!existsSync(`${root}package-lock.json`))
  fail("package-lock.json is missing: restore it with `git checkout package-lock.json`.");

const wanted = createHash("sha256")
  .update(readFileSync(`${root}package-lock.json`))
  .update(process.arch)
  .digest("hex");

if (installed() !== wanted) {
  const { withLock } = await import("./tools/lock.mjs");
  await withLock(
    `setup ${root}`,
    () => console.log("setup: another process installs the packages; waiting for it"),
    async () => {
      if (installed() !== wanted) await install();
    },
  );
}

function installed() {
  try {
    return readFileSync(stamp, "utf8");
  } catch {
    return undefined;
  }
}

async function install() {
  const why = existsSync(`${root}node_modules`) ? "package-lock.json changed since the last install" : "first run";
  console.log(`setup: installing the locked packages with npm ci (${why})`);
  // Packages that want Node 22 are run by the Node 24 that this very command installs: npm's warnings would only confuse.
  const code = await run("npm", ["ci", "--loglevel=error", "--no-fund", "--no-audit"]);
  if (code !== 0)
    fail(
      `npm ci failed (${code}): see its message above; mend that (network, registry, disk) and run the command again.`,
    );
  const node = spawnSync(`${root}node_modules/.bin/node`, ["--version"], { encoding: "utf8" });
  if (!node.stdout?.startsWith("v24.")) {
    fail(
      "npm installed the packages but not the Node 24 binary of the package `node`: its install script did not run. Allow it (npm config get ignore-scripts must say false) and run the command again.",
    );
  }
  writeFileSync(stamp, wanted);
}

function run(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
    child.on("error", (error) =>
      resolve(error.code === "ENOENT" ? `${command} is not installed or not on PATH` : error.message),
    );
    child.on("close", (code, signal) => resolve(signal === null ? code : `ended by ${signal}`));
  });
}

function fail(message) {
  console.error(`setup: ${message}`);
  process.exit(1);
}
