import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { testAgent } from "./agent-and-repository.ts";
import { config, policy, restoreCommand, runCommand, tools } from "./agent-world.ts";

const PIN = "b".repeat(64);
const host = testAgent(async () => {
  const resticPath = `${folder}/restic`;
  const { restic } = await tools();
  writeFileSync(options, "");
  writeFileSync(silent, "");
  writeFileSync(
    resticPath,
    `#!/bin/sh\necho "$@" >>${calls}\n[ "$1" = "$(cat ${silent})" ] && exit 1\nexec ${restic} $(cat ${options}) "$@"\n`,
  );
  chmodSync(resticPath, 0o755);
  return { resticPath };
});
const { folder, source } = host;
const calls = `${folder}/calls`;
const options = `${folder}/options`;
/** Holds the command that restic fails at. */
const silent = `${folder}/silent`;

/** The restic commands that `act` ran. */
async function during(act: () => Promise<unknown>): Promise<string[]> {
  writeFileSync(calls, "");
  await act();
  return readFileSync(calls, "utf8").trimEnd().split("\n");
}

function pin(repositoryID: string) {
  const repository = host.pinned({ repositoryID });
  host.apply([policy([source])], [repository]);
  return repository;
}

test("a backup opens its repository once, and a restore once to choose and once to restore", async () => {
  const repository = pin(host.id);
  const backup = await during(async () => {
    expect(await host.agent.run(runCommand())).toMatchObject({ phase: "Succeeded" });
  });
  expect(backup).toEqual([expect.stringMatching(/^backup /)]);
  const restore = await during(async () => {
    const ended = await host.agent.restore(restoreCommand(repository, `${folder}/restored/a`));
    expect(ended).toMatchObject({ phase: "Succeeded" });
  });
  expect(restore).toEqual([expect.stringMatching(/^snapshots /), expect.stringMatching(/^restore /)]);
});

test("where restic has no cache the repository is asked for its id, and another one is still found out", async () => {
  writeFileSync(options, "--no-cache");
  pin(host.id);
  const backup = await during(async () => {
    expect(await host.agent.run(runCommand())).toMatchObject({ phase: "Succeeded" });
  });
  expect(backup).toEqual([expect.stringMatching(/^backup /), expect.stringMatching(/^cat config /)]);
  pin(PIN);
  expect(await host.agent.run(runCommand())).toMatchObject({
    phase: "Failed",
    reason: "RepositoryMismatch",
    snapshots: [],
  });
});

test("where neither restic's cache nor the repository says which one it is, nothing is restored", async () => {
  writeFileSync(options, "--no-cache");
  writeFileSync(silent, "cat");
  const target = `${folder}/restored/unknown`;
  const ended = await host.agent.restore(restoreCommand(pin(host.id), target));
  expect(ended).toMatchObject({ phase: "Failed", reason: "ResticFailed" });
  expect(existsSync(target)).toBe(false);
});

test("a backup counts only once the repository has said which one it is", async () => {
  writeFileSync(options, "--no-cache");
  writeFileSync(silent, "cat");
  pin(host.id);
  const ended = await host.agent.run(runCommand());
  expect(ended).toMatchObject({ phase: "Failed", reason: "ResticFailed", exitCode: 0, snapshots: [] });
  expect(ended.message).toMatch(
    /^restic ended, but the repository does not say which one it is: restic ended with exit/,
  );
});

test("a retry takes the snapshot of the attempt before for its own only if it is in the right repository", async () => {
  writeFileSync(options, "--no-cache");
  writeFileSync(silent, "cat");
  for (const [pinned, expected] of [
    [
      host.id,
      { phase: "Succeeded", message: expect.stringContaining("the repository holds the snapshot of this run") },
    ],
    [PIN, { phase: "Failed", reason: "RepositoryMismatch", snapshots: [] }],
  ] as const) {
    const repository = pin(pinned);
    host.agent.core.applyConfig(config([policy([source], { retries: 1 })], [repository]));
    const backups = await during(async () => {
      const running = host.agent.run(runCommand());
      await expect.poll(() => readFileSync(calls, "utf8"), { timeout: 60_000 }).toContain("cat config");
      writeFileSync(silent, "");
      expect(await running).toMatchObject(expected);
      writeFileSync(silent, "cat");
    });
    expect(backups.filter((call) => call.startsWith("backup "))).toHaveLength(1);
  }
});
