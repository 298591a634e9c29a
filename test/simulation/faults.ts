import { between } from "#base/random.ts";
import type { World } from "./world.ts";

/** How often each fault comes in a history that has it, in ms on average. */
type Faults = { readonly [name: string]: { readonly everyMs: number; readonly strike: (world: World) => void } };

function anyReplica(world: World): number {
  return Math.floor(world.random.next() * world.replicas.length);
}

/** For a while, then `end`. */
function spell(world: World, fromMs: number, toMs: number, begin: () => void, end: () => void): void {
  begin();
  world.timeline.at(between(world.random, fromMs, toMs), end);
}

const FAULTS: Faults = {
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
    strike: (world) =>
      spell(
        world,
        5_000,
        60_000,
        () => (world.lateFrames = 0.2),
        () => (world.lateFrames = 0),
      ),
  },
  refuse: {
    everyMs: 14_000,
    strike: (world) =>
      spell(
        world,
        5_000,
        90_000,
        () => (world.refusedDials = 0.8),
        () => (world.refusedDials = 0),
      ),
  },
  slowReader: {
    everyMs: 14_000,
    strike(world) {
      const server = world.machine.wire?.server;
      if (server === undefined) return;
      const bytes = (world.chance(0.8) ? 5 : 9) * 1024 * 1024;
      spell(
        world,
        1_000,
        50_000,
        () => (server.bufferedAmount = bytes),
        () => (server.bufferedAmount = 0),
      );
    },
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
      world.ledger.onRollBack();
      world.machine.reboot(true);
    },
  },
  disk: {
    everyMs: 10_000,
    strike(world) {
      const { disk } = world;
      spell(
        world,
        500,
        40_000,
        () => {
          world.ledger.diskFailed = true;
          disk.fault = world.chance(0.5) ? "full" : "broken";
          disk.faultShare = world.chance(0.5) ? 1 : 0.3;
        },
        () => (disk.fault = undefined),
      );
    },
  },
  apiErrors: {
    everyMs: 7_000,
    strike(world) {
      const { weather, random } = world;
      const share = () => (world.chance(0.5) ? between(random, 0.05, 0.5) : 0);
      const begin = () => Object.assign(weather, { tooMany: share(), error: share(), lostAnswer: share() });
      spell(world, 5_000, 60_000, begin, () => Object.assign(weather, { tooMany: 0, error: 0, lostAnswer: 0 }));
    },
  },
  apiDown: {
    everyMs: 24_000,
    strike: (world) =>
      spell(
        world,
        1_000,
        120_000,
        () => (world.weather.down = true),
        () => (world.weather.down = false),
      ),
  },
  apiSlow: {
    everyMs: 14_000,
    strike: (world) =>
      spell(
        world,
        5_000,
        90_000,
        () => (world.weather.slow = true),
        () => (world.weather.slow = false),
      ),
  },
  watchLag: {
    everyMs: 7_000,
    strike: (world) =>
      spell(
        world,
        5_000,
        90_000,
        () => (world.lag.ms = 20_000),
        () => (world.lag.ms = 60),
      ),
  },
  watchCut: {
    everyMs: 7_000,
    strike(world) {
      const replica = world.replicas[anyReplica(world)];
      const caches = replica?.caches.all ?? [];
      const cache = caches[Math.floor(world.random.next() * caches.length)];
      if (cache)
        spell(
          world,
          800,
          60_000,
          () => cache.cut(),
          () => cache.mend(),
        );
    },
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
