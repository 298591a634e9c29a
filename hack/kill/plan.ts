import { between, type Random, seededRandom } from "#base/random.ts";
import type { Target } from "./history.ts";

/** Requests of a replica that mark a step of a run's way, or of the runtime's. */
export const STEPS = [
  "session accept",
  "run create",
  "running write",
  "final status",
  "restore status",
  "policy status",
  "event",
  "leader renewal",
  "replica renewal",
] as const;
export type Step = (typeof STEPS)[number];

/** When a fault comes. */
export type Point =
  /** At its time, whatever goes on then. */
  | { readonly kind: "any" }
  /** Before the API server has a request, or after it has answered and before the replica hears of it. */
  | { readonly kind: "request"; readonly step: Step; readonly moment: "before" | "after" }
  /** Before restic starts, while it works, when it has ended and nobody knows its exit, or when that is recorded. */
  | { readonly kind: "restic"; readonly moment: "before" | "during" | "after" | "recorded" };

/** Which replica: the one that leads, one that does not, the one with the host's socket, or at a request its sender. */
export type Role = "leader" | "follower" | "holder";

export interface Planned {
  readonly target: Target;
  readonly signal: "SIGKILL" | "SIGSTOP";
  readonly point: Point;
  readonly role: Role;
  /** Which machine: taken modulo their number. */
  readonly host: number;
  /**
   * With a restic goes its shim, so that nobody records its exit; of a frozen operator the agents go to another replica,
   * which it does not hear of. Without meaning for the others.
   */
  readonly group: boolean;
  /** After the beginning of the round: when it happens, or from when on its point is waited for. */
  readonly atMs: number;
  /** How long the victim stays away. */
  readonly downMs: number;
}

/** Longer than the leader's Lease (15 s), so that another one leads when it wakes up. */
export const STOPPED_MS = 17_000;
const SPREAD_MS = 18_000;
const LONGEST_DOWN_MS = 2_500;

/** The share of each target among the faults. */
const SHARES: readonly (readonly [Target, number])[] = [
  ["operator", 0.4],
  ["agent", 0.26],
  ["restic", 0.18],
  ["api-server", 0.09],
  ["etcd", 0.07],
];
const STOP_SHARE = 0.09;
const RESTIC_MOMENTS = ["before", "during", "after", "recorded"] as const;
const ROLES = ["leader", "follower", "holder"] as const;

/** The faults of one round of a session: the same seed and round give the same ones. */
export function planRound(seed: number, round: number, size: number): Planned[] {
  const random = seededRandom(seed * 7919 + round);
  return Array.from({ length: size }, () => planned(random)).toSorted((a, b) => a.atMs - b.atMs);
}

function planned(random: Random): Planned {
  const target = drawTarget(random);
  const signal = random.next() < STOP_SHARE ? "SIGSTOP" : "SIGKILL";
  return {
    target,
    signal,
    point: signal === "SIGSTOP" ? stopPoint(target) : drawPoint(target, random),
    role: pick(ROLES, random),
    host: Math.floor(random.next() * 1000),
    group: random.next() < 0.4,
    atMs: Math.floor(between(random, 0, SPREAD_MS)),
    downMs: signal === "SIGSTOP" ? STOPPED_MS : Math.floor(between(random, 0, LONGEST_DOWN_MS)),
  };
}

function stopPoint(target: Target): Point {
  return target === "restic" ? { kind: "restic", moment: "during" } : { kind: "any" };
}

function drawTarget(random: Random): Target {
  let left = random.next();
  for (const [target, share] of SHARES) {
    left -= share;
    if (left < 0) return target;
  }
  return "operator";
}

function drawPoint(target: Target, random: Random): Point {
  const request = (steps: readonly Step[]): Point => ({
    kind: "request",
    step: pick(steps, random),
    moment: pick(["before", "after"], random),
  });
  const restic: Point = { kind: "restic", moment: pick(RESTIC_MOMENTS, random) };
  const dice = random.next();
  switch (target) {
    case "restic":
      return restic.moment === "recorded" ? { kind: "restic", moment: "during" } : restic;
    case "agent":
      if (dice < 0.5) return restic;
      return dice < 0.75 ? request(["running write", "final status"]) : { kind: "any" };
    case "operator":
      return dice < 0.6 ? request(STEPS) : { kind: "any" };
    default:
      return dice < 0.6 ? request(["session accept", "running write", "final status"]) : { kind: "any" };
  }
}

function pick<T>(from: readonly T[], random: Random): T {
  return from[Math.floor(random.next() * from.length)]!;
}

/** The point in words, as the report counts it. */
export function nameOf({ point, target, signal, role, group }: Planned): string {
  switch (point.kind) {
    case "any":
      return target === "operator" ? `any moment, ${role}` : "any moment";
    case "request":
      return `${point.moment} ${point.step}`;
    case "restic":
      return `${point.moment} restic${target === "restic" && signal === "SIGKILL" && group ? ", shim too" : ""}`;
  }
}
