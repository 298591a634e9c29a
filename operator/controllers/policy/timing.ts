import type { BackupPolicy } from "#crds/backuppolicy.ts";
import type { Host } from "#crds/host.ts";
import { jitterMs, nextSlot, previousSlot } from "#protocol/slots.ts";
import { milliseconds } from "../duration.ts";
import { scheduleProblem } from "./readiness.ts";

/** Times in milliseconds since 1970. */
export interface Timing {
  /** When the agent starts the policy next. */
  readonly next: number;
  /** A host without a success since then is overdue: two slots have passed. */
  readonly overdueBefore: number;
}

/** Undefined where nothing fires: no schedule, an impossible one, suspended. Pausing a host is the caller's to ask. */
export function timing(policy: BackupPolicy, host: Host, now: number): Timing | undefined {
  const { schedule, timeZone = "UTC", jitter = "0s", suspend } = policy.spec;
  if (schedule === undefined || suspend === true || scheduleProblem(policy) !== undefined) return undefined;
  const slots = { cron: schedule, timeZone };
  const seed = { policyUID: policy.metadata.uid, hostUID: host.metadata.uid };
  const delay = jitterMs(seed, milliseconds(jitter));
  const next = nextSlot(slots, seed, now - delay);
  if (next === undefined) return undefined;
  const last = previousSlot(slots, seed, now - delay);
  const before = last === undefined ? undefined : previousSlot(slots, seed, last - 1);
  return { next: next + delay, overdueBefore: before === undefined ? 0 : before + delay };
}

/** Timings of one policy, each computed once a slot: walking a calendar costs a fifth of a millisecond, a fleet has many hosts. */
export class Timings {
  #made: string | undefined;
  #byHost = new Map<string, Timing | undefined>();

  /** One for each host, in their order. */
  of(policy: BackupPolicy, hosts: readonly Host[], now: number): (Timing | undefined)[] {
    const { uid, generation } = policy.metadata;
    const made = `${uid} ${generation}`;
    const old = this.#made === made ? this.#byHost : new Map<string, Timing | undefined>();
    this.#made = made;
    this.#byHost = new Map();
    return hosts.map((host) => {
      const key = host.metadata.uid;
      const kept = old.get(key);
      const stays = old.has(key) && (kept === undefined || (now < kept.next && now >= kept.overdueBefore));
      const found = stays ? kept : timing(policy, host, now);
      this.#byHost.set(key, found);
      return found;
    });
  }
}
