import { describe, expect, test } from "vitest";
import type { Config, PolicyPlan, RepositoryAccess } from "#protocol/config.ts";
import { policyPlan } from "#protocol/fixtures.ts";
import { applyPlan } from "./apply-plan.ts";
import type { HeldConfig } from "./state/held-config.ts";

const host = { uid: "h", namespace: "n", name: "web-1", paused: false, limits: {} };
const repository = (name: string, url = `rest:https://${name}/`): RepositoryAccess => ({
  uid: `uid-${name}`,
  name,
  url,
  password: { value: "x" },
  env: {},
});
const policy = (uid: string, change: Partial<PolicyPlan> = {}) => policyPlan({ uid, name: `policy-${uid}`, ...change });
const plan = (policies: Config["policies"], change: Partial<Config> = {}): Config => ({
  id: "b".repeat(64),
  clusterID: "c",
  host,
  policies,
  tombstones: [],
  repositories: [repository("main")],
  ...change,
});
const held = (policies: PolicyPlan[], repositories = [repository("main")]): HeldConfig => ({
  id: "a".repeat(64),
  clusterID: "c",
  host,
  policies,
  repositories,
});

describe("a configuration", () => {
  test("replaces the one before as a whole", () => {
    const changed = policy("1", { timeoutMs: 2 });
    expect(applyPlan(held([policy("1")]), plan([changed, policy("2")]), "h")).toMatchObject({
      held: { id: "b".repeat(64), policies: [changed, policy("2")] },
    });
  });

  test("removes a policy by its tombstone", () => {
    expect(applyPlan(held([policy("1"), policy("2")]), plan([policy("1")], { tombstones: ["2"] }), "h")).toMatchObject({
      held: { policies: [policy("1")] },
    });
  });

  test("that loses a policy without a tombstone is refused as a whole", () => {
    expect(applyPlan(held([policy("1"), policy("2")]), plan([policy("1")]), "h")).toEqual({
      refused: "PolicyLost",
      message: expect.stringContaining("policy-2 without a tombstone"),
    });
  });

  test("that cannot resolve a policy leaves the held one and its repository as they are", () => {
    const old = policy("1", { repository: "gone" });
    const result = applyPlan(
      held([old], [repository("gone")]),
      plan([{ uid: "1", keepLastApplied: true, reason: "Secret missing" }, policy("2")]),
      "h",
    );
    expect(result).toMatchObject({
      held: { policies: [old, policy("2")], repositories: [repository("main"), repository("gone")] },
    });
  });

  test("that keeps a policy the agent never held has nothing to keep", () => {
    expect(applyPlan(undefined, plan([{ uid: "1", keepLastApplied: true, reason: "" }]), "h")).toMatchObject({
      held: { policies: [] },
    });
  });

  test.each<[string, Config, string, string]>([
    ["of another host", plan([]), "WrongHost", "is for host h"],
    [
      "with a repository that is missing",
      plan([policy("1")], { repositories: [] }),
      "RepositoryUnknown",
      "names repository main",
    ],
    [
      "with a schedule that cannot be kept",
      plan([policy("1", { schedule: { cron: "0 0 30 2 *", timeZone: "UTC", jitterMs: 0, suspend: false } })]),
      "ScheduleInvalid",
      "never happens",
    ],
  ])("%s is refused", (_, next, reason, message) => {
    const result = applyPlan(undefined, next, reason === "WrongHost" ? "other" : "h");
    expect(result).toEqual({ refused: reason, message: expect.stringContaining(message) });
  });
});
