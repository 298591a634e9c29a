import type { Clock } from "#base/clock.ts";
import { messageOf } from "#base/errors.ts";
import { canonical, sha256 } from "#protocol/canonical.ts";
import type { PolicyPlan } from "#protocol/config.ts";
import { jitterMs, nextSlot, previousSlot, type Seed } from "#protocol/slots.ts";
import type { Log } from "../log.ts";
import type { HeldConfig } from "../state/held-config.ts";
import type { ScheduleStore } from "../state/schedules.ts";
import { decide, type Missed, remembered } from "./due.ts";

export interface DueRun {
  policy: PolicyPlan;
  /** Milliseconds since 1970. */
  slot: number;
  trigger: "Schedule" | "CatchUp";
}

export interface Scheduler {
  /** Looks at every schedule now, and again whenever one may be due. Called after each change of the configuration. */
  refresh(): void;
  /** When `policyUID` fires next, jitter included, in milliseconds since 1970. */
  nextTime(policyUID: string): number | undefined;
  stop(): void;
}

/** The wall clock may be set at any time without a word: no wait is longer than this. */
const LONGEST_WAIT_MS = 30_000;

/** Fires the schedules of `config()`: `start` is called for each due run, in one transaction with the mark of its slot. */
export function startScheduler(options: {
  clock: Clock;
  log: Log;
  config: () => HeldConfig | undefined;
  store: ScheduleStore;
  transaction: <T>(work: () => T) => T;
  start: (due: DueRun) => void;
}): Scheduler {
  const { clock, log, config, store, transaction, start } = options;
  const missed = new Map<string, Missed>();
  /** The slots around now, by policy: found anew only when one of them has passed, not at each look. */
  const around = new Map<string, { key: string; previous: number | undefined; next: number | undefined }>();
  let cancel = () => {};

  function slotsAround(policy: PolicyPlan, seed: Seed, now: number) {
    const { cron, timeZone } = policy.schedule!;
    const key = `${cron}\n${timeZone}`;
    const known = around.get(policy.uid);
    if (known?.key === key && now >= (known.previous ?? 0) && now < (known.next ?? Number.POSITIVE_INFINITY))
      return known;
    const previous = previousSlot({ cron, timeZone }, seed, now);
    const found = { key, previous, next: nextSlot({ cron, timeZone }, seed, now) };
    around.set(policy.uid, found);
    return found;
  }

  /** Decides on one policy until there is nothing to do now; answers when to look again. */
  function look(policy: PolicyPlan, held: HeldConfig, now: number): number | undefined {
    const schedule = policy.schedule;
    const stored = store.read(policy.uid);
    // A suspended or paused schedule is remembered as another one, so that going on begins it anew.
    const active = schedule !== undefined && !schedule.suspend && !held.host.paused;
    const fingerprint = active ? sha256(canonical([schedule.cron, schedule.timeZone])) : "suspended";
    const memory = remembered(stored, fingerprint, now);
    if (canonical(stored) !== canonical(memory)) store.write(policy.uid, memory);
    if (!active) return undefined;

    const seed: Seed = { policyUID: policy.uid, hostUID: held.host.uid };
    const decision = decide(
      {
        ...slotsAround(policy, seed, now),
        jitterMs: jitterMs(seed, schedule.jitterMs),
        spread: jitterMs({ ...seed, policyUID: `spread/${policy.uid}` }, 1_000_000) / 1_000_000,
        ...(schedule.startingDeadlineMs === undefined ? {} : { startingDeadlineMs: schedule.startingDeadlineMs }),
        created: Date.parse(policy.createdTime),
      },
      memory,
      missed.get(policy.uid),
      now,
    );
    if (decision.action === "wait") {
      if (decision.missed === undefined) missed.delete(policy.uid);
      else missed.set(policy.uid, decision.missed);
      return decision.wake;
    }
    transaction(() => {
      store.write(policy.uid, { ...memory, lastSlot: decision.slot });
      if (decision.action === "start") start({ policy, slot: decision.slot, trigger: decision.trigger });
    });
    return look(policy, held, now);
  }

  function refresh(): void {
    cancel();
    const held = config();
    const now = clock.now();
    let wake = now + LONGEST_WAIT_MS;
    for (const policy of held?.policies ?? []) {
      try {
        wake = Math.min(wake, look(policy, held!, now) ?? wake);
      } catch (error) {
        // A disk that is full now may not be later: the slot is not marked, and is looked at again.
        log.error({ policy: policy.name, error: messageOf(error) }, "schedule could not be carried out");
      }
    }
    cancel = clock.after(Math.max(0, wake - now), refresh);
  }

  return {
    refresh,
    nextTime(policyUID) {
      const held = config();
      const policy = held?.policies.find(({ uid }) => uid === policyUID);
      if (held === undefined || policy?.schedule === undefined || policy.schedule.suspend || held.host.paused)
        return undefined;
      const seed: Seed = { policyUID, hostUID: held.host.uid };
      const next = nextSlot(policy.schedule, seed, clock.now());
      return next === undefined ? undefined : next + jitterMs(seed, policy.schedule.jitterMs);
    },
    stop: () => cancel(),
  };
}
