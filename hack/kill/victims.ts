import { readFileSync } from "node:fs";
import { systemClock } from "#base/clock.ts";
import { messageOf } from "#base/errors.ts";
import type { Host } from "#crds/host.ts";
import type { Lease } from "../../operator/kube/resource.ts";
import { type Process, processesUsing } from "../stage/process.ts";
import { readAgentState } from "./agent-state.ts";
import type { Started } from "./gate.ts";
import type { Fault } from "./history.ts";
import { type Planned, type Role, STOPPED_MS } from "./plan.ts";
import { identityOf, type Scene, type Station } from "./scene.ts";

/** After this long a Service sends nothing more to a replica that hangs. */
const UNREADY_AFTER_MS = 4_000;

type Done = Omit<Fault, "target" | "signal" | "point"> | undefined;

/** Does the killing and freezing, and brings back what was hit. Each of its acts answers undefined where it came too late. */
export class Victims {
  readonly #scene: Scene;
  readonly #report: (line: string) => void;
  /** What will bring a victim back. */
  readonly #returns = new Set<Promise<void>>();
  /** Only one of etcd and the API server is away at a time: neither starts without the other. */
  #controlPlaneBusy = false;
  readonly #dying = new Set<Process>();
  readonly #frozen = new Set<Process>();

  constructor(scene: Scene, report: (line: string) => void) {
    this.#scene = scene;
    this.#report = report;
  }

  /** Resolves when all that was hit is back. */
  async returned(): Promise<void> {
    while (this.#returns.size > 0) await Promise.all(this.#returns);
  }

  /** The replica a role names now. */
  replica(role: Role, station: Station): number | undefined {
    const { stage, history } = this.#scene;
    const identities = stage.replicas.map((_, index) => identityOf(stage, index));
    const index = (identity: string | undefined) => {
      const found = identity === undefined ? -1 : identities.indexOf(identity);
      return found < 0 ? undefined : found;
    };
    const lease = history.live("leases").find(({ name }) => name === "holdfast-operator")?.object as Lease | undefined;
    const leader = index(lease?.spec?.holderIdentity);
    if (role === "leader") return leader;
    if (role === "follower") return identities.findIndex((identity, at) => identity !== undefined && at !== leader);
    const host = history.live("hosts").find(({ name }) => name === station.machine.name)?.object as Host | undefined;
    return index(host?.status?.session?.replica);
  }

  async operator(index: number, { signal, downMs, group }: Planned): Promise<Done> {
    const { stage, balancer } = this.#scene;
    const { process, port, name } = stage.replicas[index] ?? {};
    if (process === undefined || port === undefined) return undefined;
    const what = `${name} ${identityOf(stage, index)?.replace(`${name}-`, "") ?? "?"}`;
    if (signal === "SIGKILL") return (await this.#kill(process, downMs)) ? { what, pids: [], hit: [] } : undefined;
    if (!this.#freeze(process)) return undefined;
    this.#return(async () => {
      await systemClock.sleep(UNREADY_AFTER_MS);
      balancer.ready(port, false);
      // Half of them keep their agents, which notice nothing; the agents of the others go elsewhere, and it does not know.
      if (group) balancer.forsake(port);
      await systemClock.sleep(STOPPED_MS - UNREADY_AFTER_MS);
      this.#thaw(process);
      balancer.ready(port, true);
    });
    return { what: `${what}${group ? ", its agents elsewhere" : ""}`, pids: [], hit: [] };
  }

  async agent({ machine }: Station, { signal, downMs }: Pick<Planned, "signal" | "downMs">): Promise<Done> {
    const { agent, name } = machine;
    if (signal === "SIGSTOP") {
      if (!this.#freeze(agent)) return undefined;
      this.#return(async () => {
        await systemClock.sleep(STOPPED_MS);
        this.#thaw(agent);
      });
      return { what: name, pids: [], hit: [] };
    }
    // Restarted only once its journal is read: what it has not ended is what this hit.
    let hit: string[] = [];
    const killed = await this.#kill(agent, downMs, () => {
      hit = readAgentState(machine).unfinished;
    });
    return killed ? { what: name, pids: [], hit } : undefined;
  }

  /** `shim`: its whole group, so that nobody records how it ended. */
  restic(
    { machine }: Station,
    { id, pid }: Pick<Started, "id" | "pid">,
    signal: Planned["signal"],
    shim: boolean,
  ): Done {
    // A pid may be another's by now.
    if (!processesUsing(machine.folder).includes(pid)) return undefined;
    const target = shim ? -groupOf(pid) : pid;
    process.kill(target, signal);
    if (signal === "SIGKILL") return { what: `${machine.name} pid ${pid}`, pids: [pid], hit: [id] };
    this.#return(async () => {
      await systemClock.sleep(STOPPED_MS);
      // It may have been killed meanwhile, but its shim, stopped with it, has not.
      try {
        process.kill(target, "SIGCONT");
      } catch {
        // All of it is gone.
      }
    });
    return { what: `${machine.name} pid ${pid}`, pids: [], hit: [] };
  }

  async server(target: "api-server" | "etcd", { signal, downMs }: Planned): Promise<Done> {
    if (this.#controlPlaneBusy) return undefined;
    this.#controlPlaneBusy = true;
    const { cluster } = this.#scene;
    const server = target === "etcd" ? "etcd" : "kube-apiserver";
    if (signal === "SIGSTOP") {
      await cluster.signal(server, "SIGSTOP");
      this.#returnServer(STOPPED_MS, () => cluster.signal(server, "SIGCONT"));
    } else if (target === "etcd") {
      await cluster.stopEtcd("SIGKILL");
      this.#returnServer(downMs, () => cluster.startEtcd());
    } else {
      await cluster.stopApiServer("SIGKILL");
      this.#returnServer(downMs, () => cluster.startApiServer());
    }
    return { what: server, pids: [], hit: [] };
  }

  get controlPlaneBusy(): boolean {
    return this.#controlPlaneBusy;
  }

  #freeze(process: Process): boolean {
    if (this.#frozen.has(process) || !process.signal("SIGSTOP")) return false;
    this.#frozen.add(process);
    return true;
  }

  #thaw(process: Process): void {
    process.signal("SIGCONT");
    this.#frozen.delete(process);
  }

  /** Starts what has ended; names what nobody killed. */
  revive(): string[] {
    const { stage, stations } = this.#scene;
    const processes = [
      ...stage.replicas.map(({ name, process }) => ({ name, process })),
      ...stations.map(({ machine }) => ({ name: machine.name, process: machine.agent })),
    ];
    return processes.flatMap(({ name, process }) => {
      if (process.running) return [];
      process.start();
      return [`${name} had ended by itself`];
    });
  }

  #returnServer(afterMs: number, back: () => Promise<void>): void {
    this.#return(async () => {
      try {
        await systemClock.sleep(afterMs);
        await back();
      } finally {
        this.#controlPlaneBusy = false;
      }
    });
  }

  async #kill(process: Process, downMs: number, dead: () => void = () => {}): Promise<boolean> {
    if (this.#dying.has(process) || !process.running) return false;
    this.#dying.add(process);
    await process.stop("SIGKILL");
    this.#dying.delete(process);
    dead();
    this.#return(async () => {
      await systemClock.sleep(downMs);
      if (!process.running) process.start();
    });
    return true;
  }

  #return(back: () => Promise<void>): void {
    const returning = back()
      .catch((error: unknown) => this.#report(`a victim did not come back: ${messageOf(error)}`))
      .finally(() => this.#returns.delete(returning));
    this.#returns.add(returning);
  }
}

/** The process group, which the shim leads. */
function groupOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[2]);
}
