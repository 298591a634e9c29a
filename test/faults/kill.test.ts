import { afterAll, beforeAll, expect, test } from "vitest";
import { type Violation, wordsOf } from "../../hack/kill/history.ts";
import type { Planned, Point, Step } from "../../hack/kill/plan.ts";
import { STOPPED_MS } from "../../hack/kill/plan.ts";
import { type Scene, setScene } from "../../hack/kill/scene.ts";
import { Session } from "../../hack/kill/session.ts";

/** A short session of hack/kill with every target and every kind of point; `node hack/kill/main.ts` plays long ones. */

const any: Point = { kind: "any" };
const before = (step: Step): Point => ({ kind: "request", moment: "before", step });
const after = (step: Step): Point => ({ kind: "request", moment: "after", step });
const restic = (moment: "before" | "during" | "after" | "recorded"): Point => ({ kind: "restic", moment });

function planned(atMs: number, target: Planned["target"], point: Point, more: Partial<Planned> = {}): Planned {
  return { atMs, target, point, signal: "SIGKILL", role: "leader", host: 0, group: false, downMs: 500, ...more };
}

const ROUNDS: Planned[][] = [
  [
    planned(0, "agent", restic("recorded")),
    planned(0, "restic", restic("during"), { host: 1 }),
    planned(500, "operator", any, { role: "leader" }),
    planned(600, "operator", after("session accept")),
    planned(1_000, "operator", after("final status")),
    planned(1_500, "restic", restic("after"), { host: 1 }),
    planned(2_000, "operator", any, { role: "holder", signal: "SIGSTOP", downMs: STOPPED_MS, group: true }),
    planned(4_000, "agent", any, { host: 1 }),
    planned(6_000, "etcd", any),
  ],
  [
    planned(0, "agent", restic("before")),
    planned(0, "restic", restic("during"), { host: 1, group: true }),
    planned(500, "operator", before("running write")),
    planned(1_000, "api-server", after("final status")),
    planned(2_000, "agent", after("final status"), { host: 1 }),
    planned(3_000, "operator", before("final status")),
    planned(4_000, "restic", restic("after"), { group: true }),
    planned(5_000, "operator", after("restore status")),
    planned(6_000, "agent", restic("during"), { host: 1 }),
  ],
];

let scene: Scene;
const said: string[] = [];

beforeAll(async () => {
  scene = await setScene(3, 2, (line) => said.push(line));
}, 180_000);

afterAll(() => scene?.strike());

test("no result is lost or false when operators, agents, restics, the API server and etcd are killed at work", async () => {
  const session = await Session.begin(scene, (line) => said.push(line));
  const violations: Violation[] = [];
  for (const plan of ROUNDS) violations.push(...(await session.round(plan)).violations);
  violations.push(...(await session.end()));
  expect(violations.map(wordsOf), said.join("\n")).toEqual([]);

  const hit = new Set(session.faults.map(({ target }) => target));
  expect(hit).toEqual(new Set(["operator", "agent", "restic", "api-server", "etcd"]));
  const points = new Set(session.faults.map(({ point }) => point.replace(/, .*/, "")));
  for (const point of ["any moment", "after session accept", "during restic", "after restic"])
    expect(points).toContain(point);
}, 600_000);
