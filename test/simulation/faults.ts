import { between } from "#base/random.ts";
import type { World } from "./world.ts";

interface Fault {
  /** How often it comes in a history that has it, in ms on average. */
  readonly everyMs: number;
  readonly strike: (world: World) => void;
}

function anyReplica(world: World): number {
  return Math.floor(world.random.next() * world.replicas.length);
}

/** `begin` returns what ends it after a while; undefined: it cannot come now. */
function spell(fromMs: number, toMs: number, begin: (world: World) => (() => unknown) | undefined): Fault["strike"] {
  return (world) => {
    const end = begin(world);
    if (end !== undefined) world.timeline.at(between(world.random, fromMs, toMs), end);
  };
}

/** Sets `part` to what it is meanwhile; the function that is returned, to what it is after. */
function set<T extends object>(part: T, meanwhile: Partial<T>, after: Partial<T>): () => unknown {
  Object.assign(part, meanwhile);
  return () => Object.assign(part, after);
}

const FAULTS: { readonly [name: string]: Fault } = {
  cut: {
    everyMs: 7_000,
    strike(world) {
      const { wire } = world.machine;
      const hears = () => (world.chance(0.7) ? between(world.random, 0, 5_000) : undefined);
      wire?.cut(hears(), hears());
    },
  },
  deafen: {
    everyMs: 18_000,
    strike: (world) => world.machine.wire?.deafen(world.chance(0.5) ? "agent" : "server"),
  },
  late: {
    everyMs: 7_000,
    strike: spell(5_000, 60_000, (world) => set(world, { lateFrames: 0.2 }, { lateFrames: 0 })),
  },
  refuse: {
    everyMs: 14_000,
    strike: spell(5_000, 90_000, (world) => set(world, { refusedDials: 0.8 }, { refusedDials: 0 })),
  },
  slowReader: {
    everyMs: 14_000,
    strike: spell(1_000, 50_000, (world) => {
      const server = world.machine.wire?.server;
      if (server === undefined) return undefined;
      const bytes = (world.chance(0.8) ? 5 : 9) * 1024 * 1024;
      return set(server, { bufferedAmount: bytes }, { bufferedAmount: 0 });
    }),
  },
  killReplica: { everyMs: 10_000, strike: (world) => world.killReplica(anyReplica(world)) },
  stopReplica: { everyMs: 18_000, strike: (world) => world.stopReplica(anyReplica(world)) },
  freezeReplica: {
    everyMs: 10_000,
    strike(world) {
      const leader = world.replicas.findIndex((replica) => replica?.leads === true);
      const index = leader >= 0 && world.chance(0.6) ? leader : anyReplica(world);
      world.freezeReplica(index, between(world.random, 1_000, 150_000), world.chance(0.3));
    },
  },
  killAgent: { everyMs: 7_000, strike: (world) => world.machine.killAgent("by a fault") },
  killAgentInWrite: {
    everyMs: 5_000,
    strike: (world) => (world.disk.killAfterWrites = 1 + Math.floor(world.random.next() * 40)),
  },
  stopAgent: { everyMs: 14_000, strike: (world) => world.machine.stopAgent() },
  powerCut: { everyMs: 24_000, strike: (world) => world.machine.reboot() },
  rollBack: {
    everyMs: 12_000,
    strike(world) {
      if (!world.machine.hasImage || world.chance(0.5)) {
        if (world.machine.takeImage()) world.ledger.onImage();
        return;
      }
      const ended = world.disk.database.prepare("SELECT uid FROM runs WHERE state = 'Done'").all();
      world.ledger.onRollBack(ended.map(({ uid }) => String(uid)));
      world.machine.reboot(true);
    },
  },
  disk: {
    everyMs: 10_000,
    strike: spell(500, 40_000, (world) => {
      const { disk } = world;
      world.ledger.diskFailed = true;
      disk.fault = world.chance(0.5) ? "full" : "broken";
      disk.faultShare = world.chance(0.5) ? 1 : 0.3;
      return () => (disk.fault = undefined);
    }),
  },
  apiErrors: {
    everyMs: 7_000,
    strike: spell(5_000, 60_000, (world) => {
      const share = () => (world.chance(0.5) ? between(world.random, 0.05, 0.5) : 0);
      const shares = { tooMany: share(), error: share(), lostAnswer: share() };
      return set(world.weather, shares, { tooMany: 0, error: 0, lostAnswer: 0 });
    }),
  },
  apiDown: {
    everyMs: 24_000,
    strike: spell(1_000, 120_000, ({ weather }) => set(weather, { down: true }, { down: false })),
  },
  apiSlow: {
    everyMs: 14_000,
    strike: spell(5_000, 90_000, ({ weather }) => set(weather, { slow: true }, { slow: false })),
  },
  watchLag: {
    everyMs: 7_000,
    strike: spell(5_000, 90_000, ({ lag }) => set(lag, { ms: 20_000 }, { ms: 60 })),
  },
  watchCut: {
    everyMs: 7_000,
    strike: spell(800, 60_000, (world) => {
      const replica = world.replicas[anyReplica(world)];
      const caches = replica?.caches.all ?? [];
      const cache = caches[Math.floor(world.random.next() * caches.length)];
      cache?.cut();
      return cache && (() => cache.mend());
    }),
  },
  agentClock: { everyMs: 18_000, strike: (world) => world.machine.setClock(world.anyOffset()) },
  replicaClock: {
    everyMs: 18_000,
    strike(world) {
      const replica = world.replicas[anyReplica(world)];
      if (replica) replica.process.wallOffset = world.anyOffset();
    },
  },
  resticDies: { everyMs: 18_000, strike: (world) => world.restics.killAll() },
};

/**
 * Sets the faults going that this history's seed chooses: some of them, at rates of their own, because what comes together
 * and what stays away is what makes histories differ. Returns what ends them all and mends what they have left.
 */
export function faultsOf(world: World, untilMs: number): () => void {
  const { random, timeline } = world;
  const share = between(random, 0.05, 0.6);
  for (const { everyMs, strike } of Object.values(FAULTS)) {
    if (!world.chance(share)) continue;
    const mean = everyMs * between(random, 0.5, 3);
    const next = () =>
      timeline.at(between(random, 0.1 * mean, 1.9 * mean), () => {
        if (timeline.now >= untilMs) return;
        strike(world);
        next();
      });
    next();
  }
  return () => world.heal();
}
