import type { Command } from "#protocol/command.ts";
import type { Config } from "#protocol/config.ts";
import { agentFacts } from "#protocol/fixtures.ts";
import type { PHASES } from "#protocol/outcome.ts";
import type { Record, RunRecord, TaskRecord } from "#protocol/record.ts";
import type { Core, Identity, OutboxEntry } from "../../../agent/link/core.ts";

/** How long a simulated backup takes. */
const RUN_MS = 1_000;

/** What the agents of one worker have been told. */
export interface Tally {
  configs: number;
  /** Those of them in which every policy was resolved: while a repository is being opened, none is. */
  resolved: number;
  /** Of the configurations, as JSON. */
  configBytes: number;
  runs: number;
}

/** The agent behind a real link, without its disk and without restic: it applies, begins and ends what it is told to. */
export class SimulatedCore implements Core {
  readonly #tally: Tally;
  #identity: Identity;
  #config: Config | undefined;
  #entries: OutboxEntry[] = [];
  #seq = 0;
  #recorded: () => void = () => {};

  constructor(identity: Identity, tally: Tally) {
    this.#identity = identity;
    this.#tally = tally;
  }

  identity(): Identity {
    return this.#identity;
  }

  updateIdentity(change: Partial<Identity>): void {
    this.#identity = { ...this.#identity, ...change };
  }

  inventory(): ReturnType<Core["inventory"]> {
    return {
      bootID: "6f1ed002-ab5d-4f56-8a1c-2f7a1f0a8d11",
      agent: agentFacts({
        hostname: this.#identity.host.name,
        kernel: "6.1.0-simulated",
        installedAs: "Service",
        capabilities: ["backup", "restore", "init"],
      }),
    };
  }

  held(): ReturnType<Core["held"]> {
    const policies = (this.#config?.policies ?? []).map(({ uid }) => uid);
    return this.#config === undefined ? { policies } : { id: this.#config.id, policies };
  }

  readLog(): ReturnType<Core["readLog"]> {
    return { missing: "a simulated agent keeps no logs" };
  }

  active(): string[] {
    return [];
  }

  applyConfig(config: Config): ReturnType<Core["applyConfig"]> {
    this.#tally.configs++;
    this.#tally.configBytes += Buffer.byteLength(JSON.stringify(config));
    const { policies } = config;
    if (policies.length > 0 && policies.every((policy) => !("keepLastApplied" in policy))) this.#tally.resolved++;
    this.#config = config;
    return { applied: config.id };
  }

  command(command: Command): ReturnType<Core["command"]> {
    if (command.type === "task") this.#add(opened(command));
    else if (command.type === "run") this.#run(command);
    else return { state: "refused", message: "a simulated agent only runs and opens" };
    return { state: "accepted" };
  }

  #run(command: Extract<Command, { type: "run" }>): void {
    const policy = this.#config?.policies.find(({ uid }) => uid === command.policyUID);
    const name = policy !== undefined && "name" in policy ? policy.name : "unknown";
    const startTime = new Date().toISOString();
    const record = (phase: (typeof PHASES)[number], more: Partial<RunRecord>): RunRecord => ({
      kind: "run",
      uid: command.id,
      name: command.name,
      attempt: 1,
      phase,
      reason: phase === "Succeeded" ? "Completed" : phase,
      message: "",
      startTime,
      policy: { uid: command.policyUID, name },
      trigger: "Manual",
      snapshots: [],
      ...more,
    });
    this.#tally.runs++;
    this.#add(record("Running", {}));
    setTimeout(() => {
      const snapshot = { filesNew: 3, filesChanged: 12, filesUnmodified: 20_000, totalFiles: 20_015 };
      const sizes = { totalBytes: 3_000_000_000, dataAddedBytes: 4_000_000 };
      this.#add(
        record("Succeeded", {
          completionTime: new Date().toISOString(),
          exitCode: 0,
          snapshots: [{ id: command.id.replaceAll("-", "").padEnd(64, "0"), source: "files", ...snapshot, ...sizes }],
          logTail: "stdout snapshot saved\n",
        }),
      );
    }, RUN_MS);
  }

  /** Puts the subject's state into the outbox in the place of an older one. */
  #add(record: Record): void {
    this.#entries = this.#entries.filter((entry) => entry.record.uid !== record.uid);
    this.#entries.push({ seq: ++this.#seq, record });
    this.#recorded();
  }

  readonly outbox: Core["outbox"] = {
    stream: "simulated",
    pending: (after, limit) => this.#entries.filter(({ seq }) => seq > after).slice(0, limit),
    ack: (_stream, upTo) => {
      this.#entries = this.#entries.filter(({ seq }) => seq > upTo);
    },
    reject: (_stream, rejected) => {
      this.#entries = this.#entries.filter(({ seq }) => seq !== rejected);
    },
  };

  onRecord(listener: () => void): void {
    this.#recorded = listener;
  }

  onProgress(): void {}
}

function opened(command: Extract<Command, { type: "task" }>): TaskRecord {
  const now = new Date().toISOString();
  return {
    kind: "task",
    action: "Init",
    uid: command.id,
    name: command.repository.name,
    attempt: 1,
    phase: "Succeeded",
    reason: "Completed",
    message: "created",
    startTime: now,
    completionTime: now,
    repositoryUID: command.repository.uid,
    repositoryID: "c".repeat(64),
    created: true,
  };
}
