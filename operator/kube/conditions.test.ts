import { expect, test } from "vitest";
import type { Condition } from "#crds/meta.ts";
import { conditions, findCondition, isTrue } from "./conditions.ts";

const now = Date.UTC(2026, 5, 1, 12, 0, 0, 789);
const old: Condition = {
  type: "Ready",
  status: "True",
  reason: "Planned",
  message: "3 hosts",
  lastTransitionTime: "2026-01-01T00:00:00Z",
  observedGeneration: 1,
};
const { lastTransitionTime: _, ...draft } = old;

test.each([
  ["a new condition begins now, in whole seconds", undefined, draft, "2026-06-01T12:00:00Z"],
  ["the same status keeps its time", [old], draft, "2026-01-01T00:00:00Z"],
  [
    "another reason, message and generation are no transition",
    [old],
    { ...draft, reason: "X", message: "y", observedGeneration: 2 },
    "2026-01-01T00:00:00Z",
  ],
  ["another status is a transition", [old], { ...draft, status: "False" as const }, "2026-06-01T12:00:00Z"],
  ["the time of another type is not taken", [{ ...old, type: "Other" }], draft, "2026-06-01T12:00:00Z"],
])("%s", (_name, live, desired, time) => {
  expect(conditions(live, [desired], now)).toEqual([{ ...desired, lastTransitionTime: time }]);
});

test("the result is the writer's complete set: conditions of others are not in it", () => {
  const types = conditions([{ ...old, type: "Other" }, old], [draft], now).map(({ type }) => type);
  expect(types).toEqual(["Ready"]);
});

test("of two drafts of one type the first counts", () => {
  const result = conditions([], [draft, { ...draft, status: "False" }], now);
  expect(result.map(({ status }) => status)).toEqual(["True"]);
});

test("a message longer than Kubernetes allows is cut", () => {
  expect(conditions([], [{ ...draft, message: "x".repeat(40_000) }], now)[0]?.message).toHaveLength(32_768);
});

test("a condition that is missing is not true", () => {
  expect([isTrue([old], "Ready"), isTrue([old], "Other"), isTrue(undefined, "Ready")]).toEqual([true, false, false]);
  expect(findCondition([old], "Ready")).toBe(old);
});
