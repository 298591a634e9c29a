import { expect } from "vitest";
import { helloFrame, runRecord } from "#protocol/fixtures.ts";
import type { AgentFrame } from "#protocol/frames.ts";
import type { Desired } from "./ports.ts";
import { newSession, step } from "./session.ts";
import type { SessionEffect, SessionEvent, SessionState } from "./session-state.ts";

export const HOST = { namespace: "backups", name: "web-1", uid: "uid" };
export const WALL = Date.UTC(2026, 0, 1);
const HOUR = 3_600_000;

export type Scripted = SessionEvent | { type: "frame"; frame: AgentFrame } | { type: "later"; ms: number };

/** Plays events one after the other; `later` moves the clock and ticks. Returns the state and the last event's effects. */
export function play(events: Scripted[], start = newSession(HOST, 8 * HOUR, { wall: WALL, monotonic: 0 })) {
  let state: SessionState = start;
  let effects: SessionEffect[] = [];
  let now = 0;
  for (const event of events) {
    if (event.type === "later") now += event.ms;
    const real: SessionEvent =
      event.type === "frame"
        ? { type: "message", text: JSON.stringify(event.frame) }
        : event.type === "later"
          ? { type: "tick" }
          : event;
    [state, effects] = step(state, real, { wall: WALL + now, monotonic: now });
    effects = effects.filter((effect) => effect.type !== "count");
  }
  return { state, effects };
}

export function hello(change: Partial<Extract<AgentFrame, { type: "hello" }>> = {}): Scripted {
  return {
    type: "frame",
    frame: helloFrame({
      bootID: "b",
      wallTime: new Date(WALL).toISOString(),
      highestEpoch: 3,
      config: { policies: ["a"] },
      ...change,
    }),
  };
}
export const opened: Scripted = { type: "opened", session: { epoch: 4, nonce: "n", clusterID: "c" } };
export const idle: Scripted = { type: "desired", desired: { commands: [] } };
export const live = [hello(), opened, idle];

export const id = (digit: number) => String(digit).repeat(64);
export function config(digit: number, policies: string[], tombstones: string[] = []): NonNullable<Desired["config"]> {
  return {
    id: id(digit),
    clusterID: "c",
    host: { ...HOST, paused: false, limits: {} },
    policies: policies.map((uid) => ({ uid, keepLastApplied: true, reason: "" })),
    tombstones,
    repositories: [],
  };
}
export function desired(of: Desired): Scripted[] {
  return [{ type: "refresh" }, { type: "desired", desired: of }];
}
export const command = (name: string) =>
  ({ type: "run", id: name, name, policyUID: "a", ttlMs: 1, overrides: {} }) as const;
export const heartbeat = (skewMs: number): Scripted => ({
  type: "frame",
  frame: { type: "heartbeat", wallTime: new Date(WALL + skewMs).toISOString() },
});
export function record(seq: number, stream = "s"): Scripted {
  const record = runRecord({ uid: `run-${seq}`, name: `run-${seq}` });
  return { type: "frame", frame: { type: "record", stream, seq, record } };
}
export const written: Scripted = { type: "written", result: { result: "written" } };
export const closes = (code: number, reason: unknown = expect.any(String)) =>
  expect.objectContaining({ type: "close", code, reason });
export const sends = (frame: object) => ({ type: "send", frame: expect.objectContaining(frame) });
