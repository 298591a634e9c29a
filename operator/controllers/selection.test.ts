import { describe, expect, test } from "vitest";
import type { BackupPolicySpec } from "#crds/backuppolicy.ts";
import { hostOf, policyOf } from "./fixtures.ts";
import { matches, selects, traitKey, traitsOf, traitsWanted } from "./selection.ts";

type Hosts = BackupPolicySpec["hosts"];
const labels = { role: "web", zone: "a" };

describe("a selector, as Kubernetes reads it", () => {
  test.each<[string, NonNullable<Hosts["selector"]>, boolean]>([
    ["an empty one matches everything", {}, true],
    ["all labels must match", { matchLabels: { role: "web", zone: "b" } }, false],
    [
      "In holds for one of the values",
      { matchExpressions: [{ key: "zone", operator: "In", values: ["b", "a"] }] },
      true,
    ],
    ["In fails without the label", { matchExpressions: [{ key: "disk", operator: "In", values: ["a"] }] }, false],
    [
      "NotIn fails for one of the values",
      { matchExpressions: [{ key: "zone", operator: "NotIn", values: ["a"] }] },
      false,
    ],
    ["NotIn holds without the label", { matchExpressions: [{ key: "disk", operator: "NotIn", values: ["a"] }] }, true],
    ["Exists asks for the label only", { matchExpressions: [{ key: "zone", operator: "Exists" }] }, true],
    ["DoesNotExist is its opposite", { matchExpressions: [{ key: "zone", operator: "DoesNotExist" }] }, false],
    [
      "labels and expressions must both hold",
      { matchLabels: { role: "web" }, matchExpressions: [{ key: "disk", operator: "Exists" }] },
      false,
    ],
    [
      "a label named like a method of objects is no label",
      { matchExpressions: [{ key: "constructor", operator: "Exists" }] },
      false,
    ],
  ])("%s", (_, selector, want) => expect(matches(selector, labels)).toBe(want));
});

test.each<[string, Hosts, ReturnType<typeof hostOf>, boolean]>([
  ["a host is selected by its name", { names: ["web-1"] }, hostOf("web-1"), true],
  [
    "a host is selected by its labels",
    { selector: { matchLabels: { role: "web" } } },
    hostOf("db-1", { labels }),
    true,
  ],
  ["names and selector add up", { names: ["web-1"], selector: { matchLabels: { role: "db" } } }, hostOf("web-1"), true],
  ["a host of another namespace is not selected", { names: ["web-1"] }, hostOf("web-1", { namespace: "other" }), false],
  ["a revoked host gets nothing more", { names: ["web-1"] }, hostOf("web-1", { spec: { revoked: true } }), false],
])("%s", (_, hosts, host, want) => {
  expect(selects(policyOf("www", { spec: { hosts } }), host)).toBe(want);
});

test("whatever a policy selects shares a trait with it, so that the indexes lose nothing", () => {
  const wanted: Hosts[] = [
    { names: ["web-1", "x"] },
    { selector: {} },
    { selector: { matchLabels: labels } },
    { selector: { matchExpressions: [{ key: "zone", operator: "In", values: ["b", "a"] }] } },
    { selector: { matchExpressions: [{ key: "disk", operator: "DoesNotExist" }] } },
    { names: ["other"], selector: { matchExpressions: [{ key: "zone", operator: "Exists" }] } },
  ];
  const host = hostOf("web-1", { labels });
  const traits = new Set(traitsOf(host).map((trait) => traitKey("team", trait)));
  for (const hosts of wanted) {
    expect(selects(policyOf("www", { spec: { hosts } }), host)).toBe(true);
    expect(traitsWanted(hosts).some((trait) => traits.has(traitKey("team", trait)))).toBe(true);
  }
});
