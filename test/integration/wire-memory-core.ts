import type { Command } from "#protocol/command.ts";
import type { Config } from "#protocol/config.ts";
import { agentFacts, runRecord } from "#protocol/fixtures.ts";
import type { LogSubject } from "#protocol/frames.ts";
import type { RunRecord } from "#protocol/record.ts";
import type { Core, Identity, OutboxEntry, ProgressReport } from "../../agent/link/core.ts";

/** A Core whose disk is memory: it keeps the contract of link/core.ts and starts no restic. */
export class MemoryCore implements Core {
  me: Identity;
  entries: OutboxEntry[] = [];
  rejected: OutboxEntry[] = [];
  /** How often each command was carried out. */
  executed = new Map<string, number>();
  config: Config | undefined;
  epochs: number[] = [];
  onAcked: (entry: OutboxEntry) => void = () => {};
  #outcomes = new Map<string, RunRecord>();
  #seq = 0;
  #stream = 0;
  #recorded: () => void = () => {};
  #progressed: (report: ProgressReport) => void = () => {};

  constructor(identity: Partial<Identity> = {}) {
    this.me = {
      host: { uid: "host-uid", namespace: "backups", name: "web-1" },
      clusterID: "cluster",
      endpoint: "wss://localhost:1/v1/agent",
      ca: [],
      credential: `hfa_backups_web-1_${"s".repeat(43)}`,
      ticket: "",
      highestEpoch: 0,
      ...identity,
    };
  }

  identity(): Identity {
    return this.me;
  }

  updateIdentity(change: Partial<Identity>): void {
    this.me = { ...this.me, ...change };
    if (change.highestEpoch !== undefined) this.epochs.push(change.highestEpoch);
  }

  inventory(): ReturnType<Core["inventory"]> {
    return {
      bootID: "boot",
      agent: agentFacts(),
    };
  }

  held(): { id?: string; policies: string[] } {
    return this.config
      ? { id: this.config.id, policies: this.config.policies.map((policy) => policy.uid) }
      : { policies: [] };
  }

  active(): string[] {
    return [];
  }

  applyConfig(config: Config): ReturnType<Core["applyConfig"]> {
    const named = new Set([...config.policies.map((policy) => policy.uid), ...config.tombstones]);
    const lost = this.held().policies.filter((uid) => !named.has(uid));
    if (lost.length > 0) return { refused: "PolicyLost", message: `no tombstone for ${lost.join(", ")}` };
    this.config = config;
    return { applied: config.id };
  }

  command(command: Command): ReturnType<Core["command"]> {
    if (command.type !== "run") return { state: "refused", message: "this core only runs" };
    const outcome = this.#outcomes.get(command.id);
    if (outcome) {
      this.add(outcome);
      return { state: "duplicate" };
    }
    this.executed.set(command.id, (this.executed.get(command.id) ?? 0) + 1);
    this.add(run(command.id, "Running"));
    return { state: "accepted" };
  }

  /** Journals the subject's state and puts it into the outbox in the place of an older one. */
  add(record: RunRecord): void {
    this.#outcomes.set(record.uid, record);
    this.entries = this.entries.filter((entry) => entry.record.uid !== record.uid);
    this.entries.push({ seq: ++this.#seq, record });
    this.#recorded();
  }

  /** UIDs of what was started and has not ended. */
  running(): string[] {
    return [...this.#outcomes.values()].filter((record) => record.phase === "Running").map((record) => record.uid);
  }

  report(report: ProgressReport): void {
    this.#progressed(report);
  }

  /** The process dies and is started again: a new stream, the disk as it was. */
  restart(): void {
    this.#stream++;
    this.#recorded = () => {};
  }

  readonly outbox = {
    current: () => `stream-${this.#stream}`,
    get stream(): string {
      return this.current();
    },
    pending: (after: number, limit: number) => this.entries.filter((entry) => entry.seq > after).slice(0, limit),
    ack: (stream: string, seq: number) => {
      if (stream !== this.outbox.stream) return;
      for (const entry of this.entries) if (entry.seq <= seq) this.onAcked(entry);
      this.entries = this.entries.filter((entry) => entry.seq > seq);
    },
    reject: (stream: string, seq: number) => {
      if (stream !== this.outbox.stream) return;
      this.rejected.push(...this.entries.filter((entry) => entry.seq === seq));
      this.entries = this.entries.filter((entry) => entry.seq !== seq);
    },
  };

  /** What each log holds, by the UID of its run. */
  logs = new Map<string, string>();

  readLog({ uid }: LogSubject, offset: number): ReturnType<Core["readLog"]> {
    const text = this.logs.get(uid);
    if (text === undefined) return { missing: `no log of ${uid}` };
    return { offset, next: text.length, text: text.slice(offset), size: text.length, ended: true };
  }

  onRecord(listener: () => void): void {
    this.#recorded = listener;
  }

  onProgress(listener: (report: ProgressReport) => void): void {
    this.#progressed = listener;
  }
}

/** A run's record with the members that matter here. */
export function run(uid: string, phase: RunRecord["phase"]): RunRecord {
  return runRecord({ uid, name: uid, phase, reason: phase === "Succeeded" ? "Completed" : phase });
}

/** A whole configuration that holds these policies. */
export function configOf(version: number, policies: string[], held: readonly string[] = []): Config {
  return {
    id: version.toString(16).padStart(64, "0"),
    clusterID: "cluster",
    host: { uid: "host-uid", namespace: "backups", name: "web-1", paused: false, limits: {} },
    policies: policies.map((uid) => ({ uid, keepLastApplied: true, reason: "not resolved here" })),
    tombstones: held.filter((uid) => !policies.includes(uid)),
    repositories: [],
  };
}
