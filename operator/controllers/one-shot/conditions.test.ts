import { expect, test } from "vitest";
import type { Phase } from "#protocol/outcome.ts";
import { mayReplace, oneShotConditions } from "./conditions.ts";

test.each<[string, Phase, Record<string, string>]>([
  ["success is Ready", "Succeeded", { Ready: "True" }],
  ["a partial success is neither ready nor going on", "PartiallyFailed", { Ready: "False", Stalled: "True" }],
  ["a failure is Stalled", "Failed", { Ready: "False", Stalled: "True" }],
  ["a skipped run is Stalled", "Skipped", { Ready: "False", Stalled: "True" }],
  ["what runs is Reconciling", "Running", { Ready: "False", Reconciling: "True" }],
  ["what nobody knows of is Reconciling", "Unknown", { Ready: "False", Reconciling: "True" }],
])("%s", (_, phase, want) => {
  const drafts = oneShotConditions({ phase, reason: "", message: "m" }, 2);
  expect(Object.fromEntries(drafts.map(({ type, status }) => [type, status]))).toEqual(want);
  for (const draft of drafts) expect(draft).toMatchObject({ reason: phase, message: "m", observedGeneration: 2 });
});

test.each<[string, Parameters<typeof mayReplace>[0], Phase, boolean]>([
  ["what goes on may be replaced by anything", { phase: "Running", attempts: 1 }, "Queued", true],
  ["what the agent has ended stays", { phase: "Failed", attempts: 1 }, "Succeeded", false],
  ["a late real result replaces a supposed loss", { phase: "Failed" }, "Succeeded", true],
  ["a supposed loss does not run again", { phase: "Failed" }, "Running", false],
])("%s", (_, standing, phase, want) => expect(mayReplace(standing, { phase })).toBe(want));
