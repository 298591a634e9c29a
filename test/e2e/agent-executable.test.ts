import { execFile } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildAgent } from "../../hack/build/executable.ts";
import { enrolled, expectOneResult, logsOnFailure, longRun, ready, testStage } from "../stage.ts";

const run = promisify(execFile);
const stage = testStage();
const folder = mkdtempSync(join(tmpdir(), "holdfast-executable-"));
const agent = join(folder, "holdfast-agent");
beforeAll(() => buildAgent(agent, process.arch as "x64" | "arm64"));
afterAll(() => rmSync(folder, { recursive: true }));

test("the agent as one file needs nothing beside it: it says its version, its help, and what is wrong", async () => {
  const alone = { cwd: "/", env: {} };
  const { stdout } = await run(agent, ["version", "--json"], alone);
  expect(JSON.parse(stdout)).toMatchObject({ node: process.versions.node });
  expect((await run(agent, ["run", "--help"], alone)).stdout).toContain("HOLDFAST_STATE_DIR");
  const wrong = await run(agent, ["rum"], alone).catch((error: { code: number; stderr: string }) => error);
  expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('there is no command "rum"') });
});

test("a backup survives the upgrade of the agent that runs it: the new one adopts its restic", async () => {
  logsOnFailure(stage());
  await stage().applyQuickstart();
  const machine = await enrolled(stage(), "one-file", {}, [agent]);
  mkdirSync(join(machine.root, "srv/www"), { recursive: true });
  await ready(stage(), "repository/offsite", "backuppolicy/www");
  await longRun(stage(), machine, "upgraded");
  await machine.agent.stop("SIGTERM");
  // As a package manager does it: the new file takes the name of the old one.
  copyFileSync(agent, `${agent}.new`);
  renameSync(`${agent}.new`, agent);
  await stage().connect(machine);
  await expectOneResult(stage(), "upgraded");
}, 180_000);
