import { between, type Random } from "#base/random.ts";
import { agentFacts } from "#protocol/fixtures.ts";
import type { Record } from "#protocol/record.ts";
import { type AgentCore, openCore } from "../../agent/core.ts";
import type { Core, Identity } from "../../agent/link/core.ts";
import { Link } from "../../agent/link/link.ts";
import type { Log } from "../../agent/log.ts";
import { openState, type State } from "../../agent/state/state.ts";
import type { Disk, DiskImage } from "./disk.ts";
import { SimProcess } from "./process.ts";
import { programs } from "./programs.ts";
import type { Restics } from "./restic.ts";
import type { Timeline } from "./timeline.ts";
import type { Wire } from "./wire.ts";

export interface MachineOptions {
  readonly timeline: Timeline;
  readonly random: Random;
  readonly disk: Disk;
  readonly restics: Restics;
  readonly identity: Identity;
  readonly log: Log;
  readonly onThrow: (error: unknown) => void;
  /** Called around what the link asks of the core, before it is done. */
  readonly onCommand: (command: Parameters<Core["command"]>[0], highestEpoch: number) => void;
  /** `forgotten`: what the outbox is about to lose by it. */
  readonly onAck: (forgotten: readonly Record[]) => void;
  /** What the operator refuses for good; a full disk may not let it be kept aside yet. */
  readonly onReject: (refused: readonly Record[]) => void;
  /** Before and after a configuration is applied. */
  readonly onConfig: () => void;
  readonly trace: (say: () => string) => void;
}

const STATE = "/var/holdfast";

/** One agent process. */
interface Agent {
  readonly process: SimProcess;
  state?: State;
  core?: AgentCore;
  link?: Link;
}

/** A machine with an agent that something (systemd) starts again whenever it ends. */
export class Machine {
  readonly #options: MachineOptions;
  agent: Agent | undefined;
  wire: Wire | undefined;
  /** Started so far. */
  starts = 0;
  wallOffset = 0;
  #boot = 1;
  #image: DiskImage | undefined;

  constructor(options: MachineOptions) {
    this.#options = options;
    programs.set(options.disk, options.restics);
    options.disk.onKill = () => this.killAgent("in the middle of a write");
  }

  /** When the image of `rollBack` was taken and what it lacks; undefined without one. */
  get hasImage(): boolean {
    return this.#image !== undefined;
  }

  /** Enrols the machine: its first state is written without faults. */
  async enrol(): Promise<void> {
    const { identity } = this.#options;
    const process = this.#process();
    process.enter(() => {});
    const opened = await openState({ dir: STATE, clock: process, log: this.#options.log });
    opened.identity.write(identity);
    opened.close();
    process.kill();
  }

  start(): void {
    const { trace, random } = this.#options;
    const process = this.#process();
    const agent: Agent = { process };
    this.agent = agent;
    this.starts++;
    trace(() => `${process.name}: starts`);
    process.enter(() => {
      this.#run(agent, random).catch((error: unknown) => {
        // As cli/run.ts: it ends with an error and is started again.
        if (process.alive) trace(() => `${process.name}: ends: ${String(error)}`);
        if (process.alive) this.killAgent("by an error at its start");
      });
    });
  }

  /** kill -9; restics go on. */
  killAgent(why: string, restartIn?: number): void {
    const { agent, wire } = this;
    const { timeline, random, trace } = this.#options;
    if (agent === undefined || !agent.process.alive) return;
    trace(() => `${agent.process.name}: killed ${why}`);
    agent.process.kill();
    this.agent = undefined;
    this.wire = undefined;
    // The kernel says goodbye for it, unless the machine went with it.
    if (random.next() < 0.9) wire?.agentCloses(1006, "");
    else if (wire !== undefined) wire.agent = undefined;
    const boot = this.#boot;
    timeline.at(restartIn ?? between(random, 500, 10_000), () => {
      if (this.agent === undefined && boot === this.#boot) this.start();
    });
  }

  /** systemctl restart, an upgrade. */
  stopAgent(): void {
    const { agent } = this;
    if (agent?.core === undefined || agent.state === undefined) return;
    const { core, link, state } = agent;
    agent.process.enter(() => {
      link?.stop();
      core
        .stop()
        .then(() => state.close())
        .then(() => this.killAgent("after it has ended as asked"))
        .catch((error: unknown) => agent.process.enter(() => this.#options.onThrow(error)));
    });
  }

  /** Power cut or reboot: `restored` is a disk of an earlier day that the machine comes back with. */
  reboot(restored = false): void {
    const { timeline, random, disk, restics, trace } = this.#options;
    trace(() => `machine: ${restored ? "set back to its snapshot" : "power cut"}`);
    this.#boot++;
    this.agent?.process.kill();
    this.agent = undefined;
    if (this.wire) this.wire.agent = undefined;
    this.wire = undefined;
    restics.killAll();
    disk.powerCut();
    disk.fault = undefined;
    if (restored && this.#image) disk.restore(this.#image);
    const boot = this.#boot;
    timeline.at(between(random, 2_000, 60_000), () => {
      if (boot === this.#boot) this.start();
    });
  }

  /** False where a transaction of a killed agent is still open: there is no moment to come back to. */
  takeImage(): boolean {
    if (this.#options.disk.database.isTransaction) return false;
    this.#image = this.#options.disk.image();
    return true;
  }

  setClock(offset: number): void {
    this.wallOffset = offset;
    if (this.agent) this.agent.process.wallOffset = offset;
  }

  #process(): SimProcess {
    const { timeline, disk, onThrow } = this.#options;
    const process = new SimProcess(timeline, `agent-${this.starts + 1}`, disk, onThrow);
    process.wallOffset = this.wallOffset;
    return process;
  }

  async #run(agent: Agent, random: Random): Promise<void> {
    const { log } = this.#options;
    const { process } = agent;
    const state = await openState({ dir: STATE, clock: process, log });
    agent.state = state;
    const core = openCore({
      state,
      cacheDir: "/var/cache",
      rules: {
        backupRoots: ["/"],
        restoreRoots: ["/restore"],
        repositorySchemes: ["b2"],
        secretFileRoots: ["/etc/holdfast/secrets.d"],
      },
      clock: process,
      random,
      log,
      resticPath: "/usr/bin/restic",
      inventory: { bootID: `boot-${this.#boot}`, agent: INVENTORY },
      environment: {},
    });
    agent.core = core;
    const settings = { firstDelayMs: 10_000, maxDelayMs: 120_000, refusedDelayMs: 600_000 };
    agent.link = new Link({ core: this.#watched(core), settings, clock: process, random, log });
    core.start();
    agent.link.start();
  }

  /** The core as the link has it, with the invariants looking on. */
  #watched(core: AgentCore): Core {
    const { onCommand, onAck, onReject, onConfig, disk } = this.#options;
    const { outbox } = core;
    return {
      ...core,
      applyConfig: (config) => {
        onConfig();
        const result = core.applyConfig(config);
        onConfig();
        return result;
      },
      command: (command) => {
        onCommand(command, core.identity().highestEpoch);
        return core.command(command);
      },
      outbox: {
        ...outbox,
        ack(stream, seq) {
          if (stream === outbox.stream) onAck(disk.outbox(seq));
          outbox.ack(stream, seq);
        },
        reject(stream, seq, code, message) {
          if (stream === outbox.stream) onReject(disk.outbox(seq, seq));
          outbox.reject(stream, seq, code, message);
        },
      },
    };
  }
}

const INVENTORY = agentFacts({ installedAs: "Service", capabilities: ["backup", "restore", "init"] });
