import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { systemClock } from "#base/clock.ts";
import { messageOf } from "#base/errors.ts";
import { runName } from "#protocol/names.ts";
import { check } from "./check.ts";
import { carryOut } from "./faults.ts";
import type { Fault, History, Slots, Violation } from "./history.ts";
import { nameOf, type Planned } from "./plan.ts";
import { leftovers, orphans, quiet, secretsOf, underWay } from "./quiet.ts";
import { firstRun, type Scene } from "./scene.ts";
import { Victims } from "./victims.ts";
import { compareRestored, workload } from "./workload.ts";

const exec = promisify(execFile);
const MINUTE_MS = 60_000;
/** A slot that is so young need not have its run yet: the machine may be busy. */
const YOUNG_MS = 30_000;

/** One session on a scene: round by round it asks for work, breaks things meanwhile, waits for quiet and judges the history. */
export class Session {
  readonly faults: Fault[] = [];
  /** Planned faults whose point did not come. */
  missed = 0;
  readonly #scene: Scene;
  readonly #report: (line: string) => void;
  readonly #victims: Victims;
  readonly #asked: string[];
  readonly #restored = new Map<string, string[]>();
  readonly #locks = new Map<string, number>();
  readonly #odd: string[] = [];
  #rounds = 0;
  #known = new Set<string>();
  #secrets = new Set<string>();
  #suspended: { from: number; to: number } | undefined;

  private constructor(scene: Scene, report: (line: string) => void) {
    this.#scene = scene;
    this.#report = report;
    this.#victims = new Victims(scene, report);
    this.#asked = scene.stations.map(({ machine }) => `backupruns/${firstRun(machine.name)}`);
  }

  static async begin(scene: Scene, report: (line: string) => void): Promise<Session> {
    const session = new Session(scene, report);
    session.#secrets = new Set(await secretsOf(scene.stage));
    // The first look makes restic's own cache.
    await scene.stage.snapshots("none");
    session.#known = new Set(readdirSync(scene.stage.directory));
    return session;
  }

  /** Returns what is wrong with the history so far. `stuck`: there is no use in going on. */
  async round(plan: readonly Planned[]): Promise<{ violations: Violation[]; stuck: boolean }> {
    const round = this.#rounds++;
    const breaking = Promise.all(
      plan.map(async (planned) => {
        const fault = await carryOut(this.#scene, this.#victims, planned);
        if (fault === undefined) this.missed++;
        else this.faults.push(fault);
        const what = `${planned.target} ${planned.signal} ${nameOf(planned)}`;
        this.#report(fault === undefined ? `  missed: ${what}` : `  ${what}: ${fault.what}`);
      }),
    );
    const broken = new AbortController();
    const working = workload(this.#scene, round, broken.signal);
    await breaking.finally(() => broken.abort());
    const subjects = await working;
    this.#asked.push(...subjects);
    await this.#victims.returned();
    const since = systemClock.monotonic();
    this.#odd.push(...this.#victims.revive());
    const judged = await this.#judge();
    this.#report(`  quiet and judged after ${((systemClock.monotonic() - since) / 1000).toFixed(1)} s`);
    return judged;
  }

  /** Ends the schedule, waits for what it still brings, and looks at all once more, the repository's inside too. */
  async end(): Promise<Violation[]> {
    const { stage, stations, proxies } = this.#scene;
    for (const proxy of proxies) proxy.clearRules();
    const from = Date.now();
    await stage.kubectl(["patch", "backuppolicy", "pulse", "--type=merge", '--patch={"spec":{"suspend":true}}']);
    await quiet(this.#scene);
    for (const { machine } of stations)
      await stage.kubectl(["wait", "--for=condition=ConfigApplied", "--timeout=30s", `host/${machine.name}`]);
    this.#suspended = { from, to: Date.now() };
    const { violations } = await this.#judge();
    const broken = await stage.runRestic("check", "--read-data").then(
      () => [],
      (error: unknown) => [{ rule: "repository", subject: "-", message: messageOf(error) }],
    );
    const orphaned = await orphans(this.#scene, this.#secrets);
    const left = orphaned.map((message) => ({ rule: "orphan", subject: "-", message }));
    return [...violations, ...broken, ...left];
  }

  async #judge(): Promise<{ violations: Violation[]; stuck: boolean }> {
    for (const proxy of this.#scene.proxies) proxy.forget();
    for (;;) {
      const left = await quiet(this.#scene);
      const seen = this.#changes();
      const history = await this.#look();
      // The schedule may have fired meanwhile: then this is of no one moment.
      const still = (await underWay(this.#scene)).length === 0 && this.#changes() === seen;
      if (left.length === 0 && !still) continue;
      const stuck = left.map((message) => ({ rule: "stuck", subject: "-", message }));
      return { violations: [...stuck, ...check(history)], stuck: left.length > 0 };
    }
  }

  async #look(): Promise<History> {
    const { stage, stations, history } = this.#scene;
    const versions = [...history.versions];
    await compareRestored(this.#scene, this.#restored);
    const snapshots = JSON.parse(await stage.runRestic("snapshots", "--json")) as History["snapshots"];
    await this.#readLocks();
    return {
      versions,
      faults: this.faults,
      starts: stations.flatMap(({ gate }) => gate.starts()),
      snapshots,
      asked: this.#asked,
      slots: this.#slots(),
      restored: this.#restored,
      locks: [...this.#locks].map(([id, pid]) => ({ id, pid })),
      leftovers: [...this.#odd, ...leftovers(this.#scene, this.#known)],
    };
  }

  /** How many versions there are of runs and restores, their deletion apart. */
  #changes(): number {
    const { versions } = this.#scene.history;
    return versions.filter(({ plural, object }) => object !== undefined && /^(backupruns|restores)$/.test(plural))
      .length;
  }

  /** Notes the locks that killed restics have left, then removes them as an administrator would. */
  async #readLocks(): Promise<void> {
    const { stage } = this.#scene;
    const locks = async () => (await stage.runRestic("list", "locks")).split("\n").filter((id) => id !== "");
    const pids = new Map<string, number>();
    for (const id of await locks()) pids.set(id, JSON.parse(await stage.runRestic("cat", "lock", id)).pid);
    if (pids.size === 0) return;
    const env = stage.resticEnvironment(join(stage.directory, "restic-cache"));
    await exec(stage.restic.program, ["unlock"], { env });
    // What is left is of a living one: the schedule has fired.
    const living = await locks();
    for (const [id, pid] of pids) if (!living.includes(id)) this.#locks.set(id, pid);
  }

  #slots(): Slots {
    const { stations, pulse } = this.#scene;
    const due = new Set<string>();
    const possible = new Set<string>();
    const { from, to } = this.#suspended ?? { from: Date.now() - YOUNG_MS, to: Date.now() };
    const first = Math.floor(pulse.since / MINUTE_MS) * MINUTE_MS;
    for (let slot = first; slot <= to; slot += MINUTE_MS) {
      const certain = slot > pulse.since && slot < from - YOUNG_MS;
      const occasion = new Date(slot).toISOString().replace(".000Z", "Z");
      for (const { machine, uid } of stations) {
        const name = runName("pulse", machine.name, { policyUID: pulse.uid, hostUID: uid, occasion });
        (certain ? due : possible).add(name);
      }
    }
    return { due, possible };
  }
}
