import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";

// A script stands in for npm: a real installation takes 20 s and the registry; CI does one in every fresh clone.
let root: string;

beforeEach(() => {
  root = mkdtempSync(`${tmpdir()}/holdfast-setup-`);
  for (const folder of ["bin", "hack/tools"]) mkdirSync(`${root}/${folder}`, { recursive: true });
  for (const file of ["setup.mjs", "tools/lock.mjs"]) {
    cpSync(fileURLToPath(new URL(file, import.meta.url)), `${root}/hack/${file}`);
  }
  writeFileSync(`${root}/package-lock.json`, "{}");
  installNpm(installsNode);
});
afterEach(() => rmSync(root, { recursive: true }));

const installsNode = `mkdir -p node_modules/.bin; echo "echo v24.1.0" > node_modules/.bin/node; chmod +x node_modules/.bin/node`;

function installNpm(script: string): void {
  writeFileSync(`${root}/bin/npm`, `#!/bin/sh\necho "$*" >> npm-calls\n${script}\n`);
  chmodSync(`${root}/bin/npm`, 0o755);
}

async function setup(): Promise<{ code: number; output: string }> {
  const env = { ...process.env, PATH: `${root}/bin:/usr/bin:/bin` };
  const child = spawn(process.execPath, [`${root}/hack/setup.mjs`], { env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  child.stderr.on("data", (chunk) => {
    output += chunk;
  });
  const [code] = await once(child, "close");
  return { code, output };
}

const npmCalls = () => readFileSync(`${root}/npm-calls`, "utf8").trimEnd().split("\n");

test("the first run installs and says so in one line, the second does and says nothing", async () => {
  expect(await setup()).toEqual({
    code: 0,
    output: "setup: installing the locked packages with npm ci (first run)\n",
  });
  expect(await setup()).toEqual({ code: 0, output: "" });
  expect(npmCalls()).toEqual(["ci --loglevel=error --no-fund --no-audit"]);
});

test("a changed lock file is installed", async () => {
  await setup();
  writeFileSync(`${root}/package-lock.json`, '{"packages":{}}');
  expect((await setup()).output).toContain("package-lock.json changed since the last install");
  expect(npmCalls()).toHaveLength(2);
});

test("of two at once one installs and the other waits for it", async () => {
  installNpm(`sleep 0.5; ${installsNode}`);
  const outputs = (await Promise.all([setup(), setup()])).map(({ output }) => output).sort();
  expect(outputs[0]).toContain("another process installs the packages; waiting for it");
  expect(outputs[1]).toContain("installing the locked packages");
  expect(npmCalls()).toHaveLength(1);
});

test("an installation that fails is not taken for one, and the next run tries again", async () => {
  installNpm("echo registry unreachable >&2; exit 7");
  const { code, output } = await setup();
  expect(code).toBe(1);
  expect(output).toMatch(/registry unreachable\nsetup: npm ci failed \(7\): see its message above/);
  installNpm(installsNode);
  expect((await setup()).code).toBe(0);
});

test("without Node 24, whose install script did not run, it says what to allow", async () => {
  installNpm("mkdir -p node_modules");
  expect(await setup()).toMatchObject({ code: 1, output: expect.stringContaining("ignore-scripts must say false") });
});
