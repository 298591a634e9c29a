import { expect, test } from "vitest";
import { type Config, config, configID } from "./config.ts";
import { policyPlan } from "./fixtures.ts";

const plan: Omit<Config, "id"> = {
  clusterID: "c",
  host: { uid: "h", namespace: "backups", name: "web-1", paused: false, limits: {} },
  policies: [policyPlan({ name: "www", repository: "offsite" })],
  tombstones: [],
  repositories: [
    { uid: "r", name: "offsite", url: "rest:https://x/", password: { value: "hunter2" }, env: { A: "1" }, ca: "PEM" },
  ],
};
const repository = plan.repositories[0]!;
const id = (change: Partial<typeof plan> = {}, versions = { offsite: "v1" }) =>
  configID({ ...plan, ...change }, versions);

test("the id says nothing of a secret's value, only of its version", () => {
  expect(id({ repositories: [{ ...repository, password: { value: "other" }, env: { A: "2" }, ca: "OTHER" }] })).toBe(
    id(),
  );
  expect(id({}, { offsite: "v2" })).not.toBe(id());
});

test("the id does not depend on the order of members, and a forgotten policy leaves it as it is", () => {
  const turned = Object.fromEntries(Object.entries(plan).toReversed()) as typeof plan;
  expect(configID(turned, { offsite: "v1" })).toBe(id());
  expect(id({ tombstones: ["gone"] })).toBe(id());
});

test.each([
  ["another url", { repositories: [{ ...repository, url: "rest:https://y/" }] }],
  ["another variable", { repositories: [{ ...repository, env: { B: "1" } }] }],
  [
    "a password that lies on the host",
    { repositories: [{ ...repository, password: { host: "env:RESTIC_PASSWORD" } }] },
  ],
  ["a paused host", { host: { ...plan.host, paused: true } }],
  ["no policy", { policies: [] }],
])("%s is another configuration", (_, change) => expect(id(change)).not.toBe(id()));

test.each(["policy=other/www", "holdfast", "run=1", "root=/host", "a,b"])(
  "a user's tag %j, which poses as the operator's, is refused by the agent too",
  (tag) => {
    const policies = [{ ...plan.policies[0]!, tags: [tag] }];
    expect(config.safeParse({ ...plan, id: "0".repeat(64), policies }).success).toBe(false);
    expect(config.safeParse({ ...plan, id: "0".repeat(64) }).success).toBe(true);
  },
);
