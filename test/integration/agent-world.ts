import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { type Clock, systemClock } from "#base/clock.ts";
import { seededRandom } from "#base/random.ts";
import type { Command, RestoreCommand } from "#protocol/command.ts";
import type { Config, PolicyPlan, RepositoryAccess } from "#protocol/config.ts";
import { filesPlan, policyPlan } from "#protocol/fixtures.ts";
import type { Record, RestoreRecord, RunRecord, TaskRecord } from "#protocol/record.ts";
import { type AgentCore, openCore } from "../../agent/core.ts";
import { readInventory } from "../../agent/inventory.ts";
import type { Identity, ProgressReport } from "../../agent/link/core.ts";
import type { Log } from "../../agent/log.ts";
import { DEFAULT_RULES, type HostRules } from "../../agent/rules.ts";
import { openState } from "../../agent/state/state.ts";
import { killAllUsing } from "../../hack/stage/process.ts";
import { ensureTools } from "../../hack/tools/tools.ts";

/** One agent's host, a real rest-server and real restics, on this machine. */

export const quiet: Log = { debug() {}, info() {}, warn() {}, error() {} };

export const HOST = { uid: "host-uid-1", namespace: "backups", name: "web-1" };
const CLUSTER_ID = "cluster-1";
export const PASSWORD = "correct horse battery staple";

const IDENTITY: Identity = {
  host: HOST,
  clusterID: CLUSTER_ID,
  endpoint: "wss://127.0.0.1:1/v1/agent",
  ca: [],
  credential: `hfa_backups_web-1_${"c".repeat(43)}`,
  ticket: "ticket",
  highestEpoch: 0,
};

export async function tools(): Promise<{ restic: string }> {
  return ensureTools(["restic"], { report: (line) => console.error(line) });
}

/** Polls until `condition` holds (returns something else than undefined and false), or fails with what was awaited. */
export async function until<T>(what: string, condition: () => T | undefined | false, timeoutMs = 60_000): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = condition();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** `remove` ends what an agent that was closed or killed has left running there: it would make the folder again. */
export function temporaryFolder(): { path: string; remove(): Promise<void> } {
  const path = mkdtempSync(`${tmpdir()}/holdfast-agent-`);
  folders.add(path);
  return {
    path,
    async remove() {
      await killAllUsing(path);
      rmSync(path, { recursive: true, force: true });
      folders.delete(path);
    },
  };
}

/** A file none of whose tests is selected does not get to remove its folders. */
const folders = new Set<string>();
process.once("exit", () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

export function access(url: string, change: Partial<RepositoryAccess> = {}): RepositoryAccess {
  return { uid: "repository-uid-1", name: "main", url, password: { value: PASSWORD }, env: {}, ...change };
}

export function policy(paths: string[], change: Partial<PolicyPlan> = {}): PolicyPlan {
  return policyPlan({ uid: "policy-uid-1", files: filesPlan({ paths }), timeoutMs: 600_000, ...change });
}

export function config(policies: PolicyPlan[], repositories: RepositoryAccess[], change: Partial<Config> = {}): Config {
  return {
    id: "a".repeat(64),
    clusterID: CLUSTER_ID,
    host: { ...HOST, paused: false, limits: {} },
    policies,
    tombstones: [],
    repositories,
    ...change,
  };
}

export function runCommand(change: Partial<Extract<Command, { type: "run" }>> = {}): Extract<Command, { type: "run" }> {
  const id = change.id ?? randomUUID();
  return {
    type: "run",
    epoch: 1,
    ttlMs: 60_000,
    name: `run-${id.slice(0, 8)}`,
    policyUID: "policy-uid-1",
    overrides: {},
    ...change,
    id,
  };
}

export function taskCommand(repository: RepositoryAccess, create: boolean): Command {
  return { type: "task", epoch: 1, id: randomUUID(), ttlMs: 60_000, action: "Init", repository, create };
}

export function cancelCommand(kind: "run" | "restore", uid: string, name = "x"): Command {
  return {
    type: "cancel",
    epoch: 1,
    id: `cancel:${uid}`,
    ttlMs: 60_000,
    subject: { kind, uid, name, policyUID: "policy-uid-1" },
  };
}

export function restoreCommand(
  repository: RepositoryAccess,
  target: string,
  change: Partial<RestoreCommand> = {},
): RestoreCommand {
  return {
    type: "restore",
    epoch: 1,
    id: randomUUID(),
    ttlMs: 60_000,
    name: "bring-back",
    repository,
    snapshot: { latest: true, host: HOST.name, tags: [`policy=${HOST.namespace}/nightly`, "source=files"] },
    target: { path: target },
    include: [],
    exclude: [],
    pathMapping: [],
    overwrite: "IfChanged",
    verify: false,
    dryRun: false,
    timeoutMs: 600_000,
    limits: {},
    ...change,
  };
}

export interface TestAgent {
  core: AgentCore;
  progress: ProgressReport[];
  /** The newest record of a subject in the outbox. */
  record(uid: string): Record | undefined;
  /** The record with which a subject ended. */
  ended(uid: string, timeoutMs?: number): Promise<Record>;
  run(command: Command, timeoutMs?: number): Promise<RunRecord>;
  restore(command: Command): Promise<RestoreRecord>;
  task(command: Command): Promise<TaskRecord>;
  close(): Promise<void>;
}

/** An agent in this process, enrolled, on the state folder `dir`/state. */
export async function openAgent(
  dir: string,
  options: {
    rules?: Partial<HostRules>;
    environment?: NodeJS.ProcessEnv;
    hostRoot?: string;
    log?: Log;
    clock?: Clock;
    /** In place of the real restic. */
    resticPath?: string;
  } = {},
): Promise<TestAgent> {
  const resticPath = options.resticPath ?? (await tools()).restic;
  const log = options.log ?? quiet;
  const clock = options.clock ?? systemClock;
  const state = await openState({ dir: `${dir}/state`, clock, log });
  const runtime = `${dir}/run`;
  mkdirSync(runtime, { recursive: true, mode: 0o700 });
  if (state.identity.read() === undefined) state.identity.write(IDENTITY);
  const core = openCore({
    state,
    cacheDir: `${dir}/cache`,
    rules: { ...DEFAULT_RULES, restoreRoots: [`${dir}/restored`], ...options.rules },
    clock,
    random: seededRandom(1),
    log,
    resticPath,
    inventory: await readInventory({ resticPath, installedAs: "Process", log }),
    // Not the machine's tmpfs: all of an agent that is killed in mid-run goes with its folder.
    environment: { XDG_RUNTIME_DIR: runtime, ...options.environment },
    ...(options.hostRoot === undefined ? {} : { hostRoot: options.hostRoot }),
  });
  const progress: ProgressReport[] = [];
  core.onProgress((report) => progress.push(report));
  core.start();

  const record = (uid: string) => core.outbox.pending(0, 1000).find((entry) => entry.record.uid === uid)?.record;
  const end = (uid: string, timeoutMs?: number) =>
    until(
      `the end of ${uid}`,
      () => {
        const found = record(uid);
        return found?.completionTime === undefined ? undefined : found;
      },
      timeoutMs,
    );
  async function carriedOut(command: Command, kind: Record["kind"], timeoutMs?: number): Promise<Record> {
    const answer = core.command(command);
    if (answer.state !== "accepted") throw new Error(`${answer.state}: ${answer.message}`);
    const found = await end(command.id, timeoutMs);
    if (found.kind !== kind) throw new Error(`a ${found.kind} instead of a ${kind}`);
    return found;
  }
  return {
    core,
    progress,
    record,
    ended: end,
    run: async (command, timeoutMs) => (await carriedOut(command, "run", timeoutMs)) as RunRecord,
    restore: async (command) => (await carriedOut(command, "restore")) as RestoreRecord,
    task: async (command) => (await carriedOut(command, "task")) as TaskRecord,
    async close() {
      await core.stop();
      state.close();
    },
  };
}
