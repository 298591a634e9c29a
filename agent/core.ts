import { chmodSync, mkdirSync } from "node:fs";
import { resolve } from "node:path";
import type { Clock } from "#base/clock.ts";
import { HoldfastError, messageOf } from "#base/errors.ts";
import type { Random } from "#base/random.ts";
import type { Command, RestoreCommand, RunCommand, TaskCommand } from "#protocol/command.ts";
import type { Config, PolicyPlan } from "#protocol/config.ts";
import { runID, runName } from "#protocol/names.ts";
import type { Record } from "#protocol/record.ts";
import { applyPlan } from "./apply-plan.ts";
import type { Inventory } from "./inventory.ts";
import type { Core, Identity, ProgressReport } from "./link/core.ts";
import type { Log } from "./log.ts";
import type { HostRules } from "./rules.ts";
import type { Machine } from "./runner/attempt.ts";
import type { BackupSpec } from "./runner/backup.ts";
import type { InitSpec } from "./runner/init.ts";
import { pathsBelow } from "./runner/paths.ts";
import { cancelledRecord, iso, skippedRecord } from "./runner/records.ts";
import type { RestoreSpec } from "./runner/restore.ts";
import { openRunner } from "./runner/runner.ts";
import { openSecretFolder } from "./runner/secret-folder.ts";
import { realPath } from "./runner/sources.ts";
import { type DueRun, startScheduler } from "./schedule/scheduler.ts";
import type { HeldConfig } from "./state/held-config.ts";
import type { JournalRun } from "./state/journal.ts";
import type { State } from "./state/state.ts";

export interface AgentOptions {
  /** Opened by `openState`; holds an identity. Closing it is the caller's, after `stop`. */
  state: State;
  /** restic's cache and temporary files, absolute; made with mode 0700 where it is missing. */
  cacheDir: string;
  rules: HostRules;
  clock: Clock;
  random: Random;
  log: Log;
  /** Absolute. */
  resticPath: string;
  /** From `readInventory`. */
  inventory: Inventory;
  /** Where the host's root lies for restic (`/host` in a DaemonSet's container); absent: at `/`. */
  hostRoot?: string;
  /** The agent's own environment: `env:NAME` passwords and XDG_RUNTIME_DIR are read there. */
  environment: NodeJS.ProcessEnv;
}

export interface AgentCore extends Core {
  /** Adopts what a former process left behind and begins to fire schedules. */
  start(): void;
  /** Admits nothing more and lets go of running restic processes, which go on. Call `state.close()` afterwards. */
  stop(): Promise<void>;
}

const TIDY_EVERY_MS = 3_600_000;

/** Wires state, schedule and runner to the `Core` that the link drives. */
export function openCore(options: AgentOptions): AgentCore {
  const { state, clock, log } = options;
  const { journal, outbox, commands, config } = state;
  if (state.identity.read() === undefined) {
    throw new HoldfastError(
      "agent/not-enrolled",
      `${state.dir} holds no identity: enrol this host first (holdfast-agent enroll)`,
    );
  }
  try {
    mkdirSync(`${options.cacheDir}/tmp`, { recursive: true, mode: 0o700 });
    chmodSync(options.cacheDir, 0o700);
  } catch (error) {
    // restic says what it lacks in each run's result; an agent that ends here would say nothing at all.
    log.error({ cache: options.cacheDir, error: messageOf(error) }, "the cache folder cannot be made or written");
  }

  const paths = pathsBelow(resolve(options.hostRoot ?? "/"));
  const secrets = openSecretFolder(state.dir, options.environment["XDG_RUNTIME_DIR"]);
  const machine: Machine = {
    clock,
    random: options.random,
    log,
    journal,
    transaction: state.transaction,
    rules: options.rules,
    paths,
    secrets,
    resticPath: options.resticPath,
    cacheDir: options.cacheDir,
    ownFolders: [state.dir, options.cacheDir, secrets.base]
      .flatMap((folder) => [...new Set([folder, realPath(folder)])])
      .map(paths.toHost),
    bootID: options.inventory.bootID,
    environment: options.environment,
  };
  const listeners: { record: () => void; progress: (report: ProgressReport) => void } = {
    record: () => {},
    progress: () => {},
  };
  const runner = openRunner(machine, state, {
    onRecord: () => listeners.record(),
    onProgress: (report) => listeners.progress(report),
    nextTime: (policyUID) => scheduler.nextTime(policyUID),
  });
  const scheduler = startScheduler({
    clock,
    log,
    config: config.read,
    store: state.schedules,
    transaction: state.transaction,
    start: startDue,
  });
  let stopped = false;
  let cancelTidy = () => {};

  const identity = (): Identity => state.identity.read()!;

  function backupSpec(
    policy: PolicyPlan,
    held: HeldConfig,
    more: Pick<BackupSpec, "trigger" | "scheduledTime" | "overrides">,
  ): BackupSpec {
    const { namespace, name, limits } = held.host;
    const { clusterID, id: configID } = held;
    return { policy, host: { namespace, name }, clusterID, configID, hostLimits: limits, ...more };
  }

  /** Called in the transaction that marks the slot as decided. */
  function startDue({ policy, slot, trigger }: DueRun): void {
    const held = config.read()!;
    const scheduledTime = iso(slot).replace(".000Z", "Z");
    const occasion = { policyUID: policy.uid, hostUID: held.host.uid, occasion: scheduledTime };
    const run = {
      uid: runID(occasion),
      kind: "run" as const,
      name: runName(policy.name, held.host.name, occasion),
      policyUID: policy.uid,
      created: clock.now(),
      spec: backupSpec(policy, held, { trigger, scheduledTime, overrides: {} }),
    };
    const inTheWay = journal.unfinished().find(({ policyUID }) => policyUID === policy.uid);
    if (inTheWay === undefined) {
      if (journal.add(run, accessOf(held, policy))) queueMicrotask(() => runner.submit(run.uid));
      return;
    }
    const message = `run ${inTheWay.name} of the same policy had not ended: a policy never runs twice at once on one host`;
    const next = scheduler.nextTime(policy.uid);
    endUnstarted(run, skippedRecord(run, clock.now(), message, next));
  }

  /** A record of something that never began. */
  function endUnstarted(run: Omit<JournalRun, "cancel" | "state">, record: Record): void {
    if (!journal.addEnded(run, record)) return;
    outbox.add(record);
    queueMicrotask(() => listeners.record());
  }

  type Answer = ReturnType<Core["command"]>;

  function run(command: RunCommand): Answer {
    const held = config.read();
    const policy = held?.policies.find(({ uid }) => uid === command.policyUID);
    if (held === undefined || policy === undefined) {
      return {
        state: "refused",
        message: `this host holds no policy ${command.policyUID}: it is not (or no longer) selected by it`,
      };
    }
    const spec = backupSpec(policy, held, { trigger: "Manual", overrides: command.overrides });
    const { id: uid, name } = command;
    journal.add({ uid, kind: "run", name, policyUID: policy.uid, created: clock.now(), spec }, accessOf(held, policy));
    queueMicrotask(() => runner.submit(uid));
    return { state: "accepted" };
  }

  function restore({ repository, ...command }: RestoreCommand): Answer {
    const spec: RestoreSpec = { command, hostLimits: config.read()?.host.limits ?? {} };
    const { id: uid, name } = command;
    journal.add({ uid, kind: "restore", name, created: clock.now(), spec });
    queueMicrotask(() => runner.submit(uid, repository));
    return { state: "accepted" };
  }

  function task({ id: uid, repository, create }: TaskCommand): Answer {
    const spec: InitSpec = { repositoryUID: repository.uid, create };
    journal.add({ uid, kind: "task", name: repository.name, created: clock.now(), spec }, repository);
    queueMicrotask(() => runner.submit(uid));
    return { state: "accepted" };
  }

  /** A subject that never arrived is recorded as cancelled: its command, still on the way, finds it known. */
  function cancel({ subject }: Extract<Command, { type: "cancel" }>): Answer {
    const { uid, name, kind } = subject;
    if (journal.find(uid) !== undefined) {
      if (!runner.cancel(uid)) answerAgain(uid);
      return { state: "accepted" };
    }
    const created = clock.now();
    const policy = config.read()?.policies.find((known) => known.uid === subject.policyUID);
    commands.add({ id: uid, type: kind, subject: uid, received: created });
    endUnstarted({ uid, kind, name, created, spec: {} }, cancelledRecord(subject, created, policy?.name));
    return { state: "accepted" };
  }

  function answerAgain(uid: string): void {
    const last = journal.record(uid);
    if (last === undefined) return;
    outbox.add(last);
    queueMicrotask(() => listeners.record());
  }

  return {
    identity,
    updateIdentity: (change) => attempt("identity", () => state.identity.write({ ...identity(), ...change })),
    inventory: () => options.inventory,
    held() {
      const held = config.read();
      return held === undefined ? { policies: [] } : { id: held.id, policies: held.policies.map(({ uid }) => uid) };
    },
    active: runner.active,
    applyConfig(plan: Config) {
      try {
        const next = applyPlan(config.read(), plan, identity().host.uid);
        if ("refused" in next) return next;
        config.write(next.held, clock.now());
        state.schedules.retain(next.held.policies.map(({ uid }) => uid));
        scheduler.refresh();
        log.info({ config: plan.id, policies: next.held.policies.length }, "configuration applied");
        return { applied: plan.id };
      } catch (error) {
        log.error({ config: plan.id, error: messageOf(error) }, "configuration could not be written");
        return { refused: "AgentError", message: messageOf(error).slice(0, 1024) };
      }
    },
    command(command) {
      if (stopped) return { state: "refused", message: "the agent is ending" };
      // The journal remembers longer than the commands: as long as a result waits for its acknowledgement.
      const known = commands.find(command.id) ?? journal.find(command.id)?.uid;
      try {
        return state.transaction((): Answer => {
          if (known !== undefined) {
            answerAgain(known);
            return { state: "duplicate" };
          }
          if (command.ttlMs <= 0)
            return { state: "expired", message: "the command's time to live was over when it arrived" };
          const answer = admit(command);
          if (answer.state === "accepted") {
            const subject = command.type === "cancel" ? command.subject.uid : command.id;
            commands.add({ id: command.id, type: command.type, subject, received: clock.now() });
          }
          return answer;
        });
      } catch (error) {
        log.error({ command: command.id, error: messageOf(error) }, "command could not be written");
        // What was written down before goes on, though its record cannot be sent again just now: a refusal would end it.
        if (known !== undefined) return { state: "duplicate" };
        return {
          state: "refused",
          message: `the agent could not write the command down: ${messageOf(error)}`.slice(0, 1024),
        };
      }
    },
    // What is not forgotten on a full disk is sent once more by a later session: no reason to end the agent.
    outbox: {
      ...outbox,
      ack: (stream, seq) => attempt("acknowledgement", () => outbox.ack(stream, seq)),
      reject: (...args) => attempt("rejection", () => outbox.reject(...args)),
    },
    onRecord(listener) {
      listeners.record = listener;
    },
    onProgress(listener) {
      listeners.progress = listener;
    },
    start() {
      const tidy = () => {
        attempt("tidying", runner.tidy);
        cancelTidy = clock.after(TIDY_EVERY_MS, tidy);
      };
      tidy();
      runner.adopt();
      scheduler.refresh();
    },
    async stop() {
      stopped = true;
      scheduler.stop();
      cancelTidy();
      await runner.stop();
    },
    readLog(subject, offset) {
      try {
        return runner.readLog(subject, offset);
      } catch (error) {
        return { missing: `the agent could not read it: ${messageOf(error)}` };
      }
    },
  };

  /** Does `write`; a disk that is full now may not be later. */
  function attempt(what: string, write: () => void): void {
    try {
      write();
    } catch (error) {
      log.error({ error: messageOf(error) }, `${what} could not be written`);
    }
  }

  function admit(command: Command): Answer {
    switch (command.type) {
      case "run":
        return run(command);
      case "restore":
        return restore(command);
      case "task":
        return task(command);
      case "cancel":
        return cancel(command);
    }
  }
}

/** The repository a policy names; a configuration without it is refused when it arrives. */
function accessOf(held: HeldConfig, policy: PolicyPlan) {
  return held.repositories.find(({ name }) => name === policy.repository);
}
