import { mkdirSync, readdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { testAgent } from "./agent-and-repository.ts";
import { config, openAgent, policy, quiet, runCommand } from "./agent-world.ts";

/** An agent whose own folders are not as they should be. */

const { folder, source, pinned } = testAgent();

const plan = (path: string) => config([policy([path])], [pinned()]);

test("an agent whose cache folder cannot be made starts, says so, and its runs say what they lack", async () => {
  const dir = `${folder}/no-cache`;
  mkdirSync(dir);
  writeFileSync(`${dir}/cache`, "a file is in the way");
  const messages: string[] = [];
  const log = { ...quiet, error: (_: object, message: string) => void messages.push(message) };
  const agent = await openAgent(dir, { log });
  expect(messages).toEqual(["the cache folder cannot be made or written"]);
  agent.core.applyConfig(plan(source));
  const run = await agent.run(runCommand());
  expect(run).toMatchObject({ phase: "Failed", reason: "ResticFailed", snapshots: [] });
  expect(run.message).toBe(`restic ended with exit code 1: mkdir ${dir}/cache: not a directory`);
  await agent.close();
});

test("the agent's own state is left out of a backup also where it is reached by a symlink", async () => {
  const dir = `${folder}/linked`;
  mkdirSync(`${dir}/disk/state`, { recursive: true });
  symlinkSync(`${dir}/disk/state`, `${dir}/state`);
  writeFileSync(`${dir}/disk/file`, "the only one");
  const agent = await openAgent(dir);
  agent.core.applyConfig(plan(`${dir}/disk`));
  expect(await agent.run(runCommand())).toMatchObject({ phase: "Succeeded", snapshots: [{ totalFiles: 1 }] });
  await agent.close();
});

test("what runs of a damaged database left behind is removed", async () => {
  const dir = `${folder}/damaged`;
  const first = await openAgent(dir);
  first.core.applyConfig(plan(source));
  await first.run(runCommand());
  await first.close();
  expect(readdirSync(`${dir}/state/runs`)).toHaveLength(1);
  renameSync(`${dir}/state/agent.db`, `${dir}/state/agent.db.corrupt-1`);
  const second = await openAgent(dir);
  expect(second.core.held().policies).toEqual(["policy-uid-1"]);
  expect(readdirSync(`${dir}/state/runs`)).toEqual([]);
  await second.close();
});

test("what restic wrote for a run is removed also where the agent was killed before it could, and the log stays", async () => {
  const dir = `${folder}/untidy`;
  const first = await openAgent(dir);
  first.core.applyConfig(plan(source));
  const { uid } = await first.run(runCommand());
  await first.close();
  const run = `${dir}/state/runs/run-${uid}`;
  mkdirSync(`${run}/attempt-1/backup`, { recursive: true });
  const second = await openAgent(dir);
  expect(readdirSync(run)).toEqual(["log"]);
  await second.close();
});

test("a variable that no process can be given fails the run by its name, and its value shows nowhere", async () => {
  const agent = await openAgent(`${folder}/nul`);
  const env = { RESTIC_REST_USERNAME: "user", RESTIC_REST_PASSWORD: "canary\0value" };
  agent.core.applyConfig(config([policy([source])], [pinned({ env })]));
  const run = await agent.run(runCommand());
  expect(run).toMatchObject({ phase: "Failed", reason: "HostRefused" });
  expect(run.message).toContain("RESTIC_REST_PASSWORD holds a NUL byte");
  expect(JSON.stringify(run)).not.toContain("canary");
  await agent.close();
});

test("a command that is known already is not refused while nothing can be written", async () => {
  const dir = `${folder}/locked`;
  const agent = await openAgent(dir);
  agent.core.applyConfig(plan(source));
  const command = runCommand();
  await agent.run(command);
  using other = new DatabaseSync(`${dir}/state/agent.db`);
  other.exec("BEGIN IMMEDIATE");
  expect(agent.core.command(command)).toEqual({ state: "duplicate" });
  other.exec("ROLLBACK");
  await agent.close();
});
