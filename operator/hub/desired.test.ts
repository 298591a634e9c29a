import { expect, test } from "vitest";
import type { RestoreSpec } from "#crds/restore.ts";
import { cancelCommand, restoreCommand, runCommand, taskCommand } from "#protocol/command.ts";
import type { RepositoryAccess } from "#protocol/config.ts";
import { NOON, policyOf, RESTIC_ID, restoreOf, runOf } from "../controllers/fixtures.ts";
import { type CommandInputs, commandsFor } from "./desired.ts";

const MINUTE = 60_000;
const access: RepositoryAccess = {
  uid: "r",
  name: "offsite",
  url: "/mnt/repo",
  password: { value: "x" },
  env: {},
  repositoryID: RESTIC_ID,
};
const nothing: CommandInputs = {
  clusterID: "c1",
  runs: [],
  startable: new Set(["policy-www"]),
  restores: [],
  openings: [],
  now: NOON + MINUTE,
};
const policy = policyOf("www");

function of(parts: Partial<CommandInputs>) {
  return commandsFor({ ...nothing, ...parts });
}
const runs = (...args: Parameters<typeof runOf>) => ({ runs: [{ run: runOf(...args), policy }] });
const restores = (spec: Partial<RestoreSpec>) => ({ restores: [{ restore: restoreOf("back", { spec }), access }] });

test("a manual run is asked for under its UID, with what is left of its deadline", () => {
  const [command] = of(runs("now", { spec: { overrides: { dryRun: true, tags: ["x"] } } }));
  expect(command).toEqual({
    type: "run",
    id: "run-now",
    name: "now",
    policyUID: "policy-www",
    overrides: { dryRun: true, tags: ["x"] },
    ttlMs: 59 * MINUTE,
  });
  expect(runCommand.parse({ ...command, epoch: 1 })).toEqual({ ...command, epoch: 1 });
});

test.each<[string, Partial<CommandInputs>]>([
  ["one the agent has begun is not asked for again", runs("now", { status: { phase: "Running" } })],
  ["one of which nobody knows is not asked for again", runs("now", { status: { phase: "Unknown" } })],
  ["one that has ended is not asked for", runs("now", { status: { phase: "Failed" } })],
  ["one past its deadline is not asked for", { ...runs("now"), now: NOON + 61 * MINUTE }],
  ["one of a schedule is the agent's own", runs("slot", { spec: { trigger: "Schedule", runID: "id" } })],
  ["one whose policy is not ready on the host waits", { ...runs("now"), startable: new Set() }],
  ["one whose policy is missing waits", { runs: [{ run: runOf("now"), policy: undefined }] }],
  [
    "a restore without access to its repository waits",
    { restores: [{ restore: restoreOf("back"), access: undefined }] },
  ],
])("%s", (_, parts) => expect(of(parts)).toEqual([]));

test("a cancelled run is cancelled instead of begun, also when the agent runs it", () => {
  const cancel = {
    type: "cancel",
    id: "cancel:run-now",
    ttlMs: 60 * MINUTE,
    subject: { kind: "run", uid: "run-now", name: "now", policyUID: "policy-www" },
  };
  for (const phase of ["Pending", "Running"] as const) {
    const commands = of(runs("now", { spec: { cancel: true }, status: { phase } }));
    expect(commands).toEqual([cancel]);
    expect(cancelCommand.parse({ ...commands[0], epoch: 1 })).toEqual({ ...cancel, epoch: 1 });
  }
});

test("a scheduled run is cancelled under the id its agent knows", () => {
  const [command] = of(
    runs("slot", { spec: { trigger: "Schedule", runID: "id-1", cancel: true }, status: { phase: "Running" } }),
  );
  expect(command).toMatchObject({ id: "cancel:id-1", subject: { uid: "id-1" } });
});

test("a restore of the latest chooses by host and tags", () => {
  const [command] = of(restores({}));
  expect(command).toMatchObject({
    type: "restore",
    id: "restore-back",
    repository: access,
    snapshot: { latest: true, host: "web-1", tags: ["holdfast", "cluster=c1", "policy=team/www", "source=files"] },
    target: { path: "/var/lib/holdfast/restore/www" },
    ttlMs: 59 * MINUTE,
    timeoutMs: 86_400_000,
  });
  expect(restoreCommand.parse({ ...command, epoch: 1 })).toEqual({ ...command, epoch: 1 });
});

test.each<[string, RestoreSpec["source"], object]>([
  ["another host's", { repository: "offsite", policy: "www", hostName: "web-2" }, { host: "web-2", latest: true }],
  [
    "one before a moment",
    { repository: "offsite", policy: "www", before: "2026-11-20t00:00:00.0000000001z" },
    { before: "2026-11-20T00:00:00.000Z" },
  ],
  ["one by its id", { repository: "offsite", snapshot: "0123abcd" }, { id: "0123abcd" }],
])("a restore of %s", (_, source, snapshot) => {
  expect(of(restores({ source }))).toMatchObject([{ snapshot }]);
});

test("a cancelled restore is cancelled, also without access to its repository", () => {
  const restore = restoreOf("back", { spec: { cancel: true }, status: { phase: "Running" } });
  expect(of({ restores: [{ restore, access: undefined }] })).toMatchObject([
    { type: "cancel", id: "cancel:restore-back", subject: { kind: "restore", uid: "restore-back", name: "back" } },
  ]);
});

test.each<[string, boolean, string | undefined, boolean]>([
  ["a repository is made where that is asked for", true, undefined, true],
  ["it is not where it is not", false, undefined, false],
  ["it is never made again once its id is known", true, RESTIC_ID, false],
])("%s", (_, initialize, repositoryID, create) => {
  const { repositoryID: _id, ...unknown } = access;
  const opening = {
    id: "init:1",
    initialize,
    access: repositoryID === undefined ? unknown : { ...unknown, repositoryID },
  };
  const [command] = of({ openings: [opening] });
  expect(command).toMatchObject({ type: "task", action: "Init", id: "init:1", create });
  expect(taskCommand.parse({ ...command, epoch: 1 })).toEqual({ ...command, epoch: 1 });
});
