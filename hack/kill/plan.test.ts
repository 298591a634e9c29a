import { expect, test } from "vitest";
import { nameOf, type Planned, planRound, STEPS, STOPPED_MS } from "./plan.ts";

const many = Array.from({ length: 200 }, (_, round) => planRound(7, round, 16)).flat();
const found = (is: (planned: Planned) => boolean) => many.some(is);

test("the same seed and round plan the same faults, another seed others", () => {
  expect(planRound(3, 2, 16)).toEqual(planRound(3, 2, 16));
  expect(planRound(4, 2, 16)).not.toEqual(planRound(3, 2, 16));
});

test("every target is killed and frozen", () => {
  for (const target of ["operator", "agent", "restic", "api-server", "etcd"] as const)
    for (const signal of ["SIGKILL", "SIGSTOP"] as const)
      expect(found((planned) => planned.target === target && planned.signal === signal)).toBe(true);
});

test("an operator is killed before and after every request that marks a step", () => {
  for (const step of STEPS)
    for (const moment of ["before", "after"])
      expect(found((planned) => planned.target === "operator" && nameOf(planned) === `${moment} ${step}`)).toBe(true);
});

test("an agent is killed at every step of its restic", () => {
  for (const moment of ["before", "during", "after", "recorded"])
    expect(found((planned) => planned.target === "agent" && nameOf(planned) === `${moment} restic`)).toBe(true);
});

test("what is frozen stays so for longer than the leader's Lease of 15 s", () => {
  expect(STOPPED_MS).toBeGreaterThan(15_000);
  expect(many.filter(({ signal }) => signal === "SIGSTOP").every(({ downMs }) => downMs === STOPPED_MS)).toBe(true);
});
