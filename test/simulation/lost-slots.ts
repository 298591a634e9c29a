import { runID } from "#protocol/names.ts";
import { BEGIN } from "./process.ts";
import type { World } from "./world.ts";

const LOOK_MS = 5_000;
/** Longer than an agent takes to start, and than a slot waits to be looked at. */
const SETTLED_MS = 8_000;
/** Longer than the scheduler's longest wait: after a full disk, or a clock that was set, it looks again. */
const LOOKS_AGAIN_MS = 35_000;
/** A slot whose agent was away for so long is caught up later, or by the next one. */
const ON_TIME_MS = 90_000;

/**
 * Sees that no slot is lost: the newest one of a schedule that the agent has had since before it is in the agent's journal,
 * as a run or as skipped, once the agent is up and can write. All by the agent's own clock.
 */
export class LostSlots {
  readonly #world: World;
  /** Since when the agent has had each schedule, by policy. */
  readonly #known = new Map<string, { readonly schedule: string; since: number }>();
  #trustedFrom = 0;
  #seen = "";

  constructor(world: World) {
    this.#world = world;
  }

  watch(untilMs: number): void {
    const { timeline } = this.#world;
    if (timeline.now >= untilMs) return;
    this.#look();
    timeline.at(LOOK_MS, () => this.watch(untilMs));
  }

  /** To be called around each change of the agent's configuration. */
  note(): void {
    const schedules = new Map(this.#policies().map(({ uid, schedule }) => [uid, JSON.stringify(schedule)]));
    for (const uid of this.#known.keys()) if (!schedules.has(uid)) this.#known.delete(uid);
    for (const [uid, schedule] of schedules) {
      if (this.#known.get(uid)?.schedule !== schedule) this.#known.set(uid, { schedule, since: this.#now() });
    }
  }

  #now(): number {
    const { timeline, machine } = this.#world;
    return Math.floor(BEGIN + timeline.now + machine.wallOffset);
  }

  #policies() {
    return this.#world.machine.agent?.state?.config.read()?.policies ?? [];
  }

  #look(): void {
    const { machine, disk, ledger } = this.#world;
    const now = this.#now();
    const seen = `${machine.agent?.process.name} ${machine.agent?.core !== undefined} ${machine.wallOffset}`;
    const clockSet = !seen.endsWith(` ${this.#seen.split(" ").at(-1)}`);
    // What lies ahead of a clock that was set back is marked as decided when the schedule is looked at next.
    if (clockSet) for (const known of this.#known.values()) known.since = now + LOOKS_AGAIN_MS;
    if (clockSet || disk.fault !== undefined) this.#trustedFrom = now + LOOKS_AGAIN_MS;
    else if (seen !== this.#seen) this.#trustedFrom = Math.max(this.#trustedFrom, now + SETTLED_MS);
    this.#seen = seen;
    if (machine.agent?.core === undefined) return;
    this.note();
    if (now < this.#trustedFrom) return;
    for (const { uid: policyUID, name, schedule } of this.#policies()) {
      if (schedule === undefined || schedule.suspend) continue;
      const everyMs = schedule.cron === "* * * * *" ? 60_000 : 300_000;
      const slot = Math.floor(now / everyMs) * everyMs;
      const age = now - slot;
      if (slot <= this.#known.get(policyUID)!.since || age < SETTLED_MS || age > ON_TIME_MS) continue;
      const occasion = new Date(slot).toISOString().replace(".000Z", "Z");
      const { uid: hostUID } = machine.agent.core.identity().host;
      const run = disk.database
        .prepare("SELECT 1 FROM runs WHERE uid = ?")
        .get(runID({ policyUID, hostUID, occasion }));
      if (run === undefined) ledger.fail(`the slot ${occasion} of ${name} is lost: nothing became of it`);
    }
  }
}
