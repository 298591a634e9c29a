import type { BackupPolicy } from "#crds/backuppolicy.ts";
import type { Host } from "#crds/host.ts";
import type { Repository } from "#crds/repository.ts";
import { jitterMs, nextSlot, previousSlot } from "#protocol/slots.ts";
import { milliseconds } from "../duration.ts";
import { scheduleProblem } from "./readiness.ts";

/** Times in milliseconds since 1970. */
export interface Timing {
  /** When the agent starts the policy next. */
  readonly next: number;
  /** A host without a success since then is overdue: two slots have passed, the second long enough to have had one. */
  readonly overdueBefore: number;
  /** When these are others. */
  readonly changesAt: number;
}

/** How long after a slot a host is not blamed for it, unless the next one comes sooner. */
const SLOT_GRACE_MS = 3_600_000;

/** Undefined where nothing fires: no schedule, an impossible one, suspended. Pausing a host is the caller's to ask. */
export function timing(policy: BackupPolicy, host: Host, now: number): Timing | undefined {
  const { schedule, timeZone = "UTC", jitter = "0s", suspend } = policy.spec;
  if (schedule === undefined || suspend === true || scheduleProblem(policy) !== undefined) return undefined;
  const slots = { cron: schedule, timeZone };
  const seed = { policyUID: policy.metadata.uid, hostUID: host.metadata.uid };
  const delay = jitterMs(seed, milliseconds(jitter));
  const next = nextSlot(slots, seed, now - delay);
  if (next === undefined) return undefined;
  const previous = (slot: number | undefined) => slot && previousSlot(slots, seed, slot - 1);
  const last = previousSlot(slots, seed, now - delay);
  const before = previous(last);
  const graceEnds = Math.min(next, (last ?? Number.NEGATIVE_INFINITY) + SLOT_GRACE_MS) + delay;
  const since = now < graceEnds ? previous(before) : before;
  return {
    next: next + delay,
    overdueBefore: since === undefined ? 0 : since + delay,
    changesAt: now < graceEnds ? graceEnds : next + delay,
  };
}

/** Whether its agent has the policy and starts it. One with a success had it, and keeps it should the Repository go. */
export function fires(host: Host, repository: Repository | undefined, lastSuccess: string | undefined): boolean {
  if (host.spec.paused === true || host.status?.session?.connectedTime === undefined) return false;
  return repository?.status?.repositoryID !== undefined || lastSuccess !== undefined;
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
      const stays = old.has(key) && (kept === undefined || (now < kept.changesAt && now >= kept.overdueBefore));
      const found = stays ? kept : timing(policy, host, now);
      this.#byHost.set(key, found);
      return found;
    });
  }
}
