import { expect, test, vi } from "vitest";
import type { BackupPolicy } from "#crds/backuppolicy.ts";
import type { BackupRun } from "#crds/backuprun.ts";
import type { Host } from "#crds/host.ts";
import { sessionWriter } from "../../operator/controllers/host/writers.ts";
import { BackupPolicies, BackupRuns, Hosts } from "../../operator/controllers/kinds.ts";
import { runWriter } from "../../operator/controllers/one-shot/writers.ts";
import { findCondition } from "../../operator/kube/conditions.ts";
import { ownerReference } from "../../operator/kube/resource.ts";
import { controllersWorld, expectReady } from "./controllers-world.ts";

const world = controllersWorld();
const spec = (parts: Partial<BackupPolicy["spec"]> = {}): BackupPolicy["spec"] => ({
  hosts: { selector: { matchLabels: { of: "nobody" } } },
  repository: { name: "nowhere" },
  files: { paths: ["/srv"] },
  ...parts,
});
const message = (policy: BackupPolicy) => findCondition(policy.status?.conditions, "Ready")?.message;
const runsOf = async (policy: string) => {
  const { items } = await world.its().client.list(BackupRuns, {
    namespace: world.namespace,
    fieldSelector: `spec.policyRef=${policy}`,
  });
  return items;
};

/** A run of a schedule as the record sink makes it, ended some seconds after the others. */
async function ended(
  policy: BackupPolicy,
  name: string,
  phase: "Succeeded" | "Failed",
  second: number,
): Promise<BackupRun> {
  const run = await world.create(
    BackupRuns,
    name,
    { policyRef: policy.metadata.name, hostRef: "h-1", trigger: "Schedule", runID: name },
    { ownerReferences: [ownerReference(BackupPolicies, policy)] },
  );
  const completionTime = new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString();
  await world.write(BackupRuns, run.metadata.name, runWriter, {
    phase,
    reason: "Test",
    attempts: 1,
    completionTime,
  });
  return run;
}

test.each<[string, Partial<BackupPolicy["spec"]>, string, boolean, RegExp]>([
  ["no host", {}, "NoHosts", false, /^no Host has of=nobody; enrol one with an EnrollmentToken/],
  [
    "names without a Host",
    { hosts: { names: ["ghost-1", "ghost-2"] } },
    "HostsNotFound",
    false,
    /^there is no Host ghost-1, ghost-2/,
  ],
  [
    "an unknown time zone",
    { schedule: "0 2 * * *", timeZone: "Mars/Base" },
    "InvalidSchedule",
    true,
    /^timeZone "Mars\/Base" is not known: write an IANA name/,
  ],
  ["a date that never comes", { schedule: "0 0 30 2 *" }, "InvalidSchedule", true, /never happens/],
])("a policy with %s says so and what to do", async (name, parts, reason, stalled, text) => {
  const id = `bad-${name.replaceAll(" ", "-").toLowerCase()}`;
  await world.create(BackupPolicies, id, spec(parts));
  const policy = await world.until(BackupPolicies, id, (object) => expectReady(object, "False", reason));
  expect(message(policy)).toMatch(text);
  expect(findCondition(policy.status?.conditions, "Stalled")?.status).toBe(stalled ? "True" : undefined);
  expect(policy.status?.observedGeneration).toBe(1);
});

test("a policy whose Repository is missing names it", async () => {
  await world.create(Hosts, "r-1", {}, { labels: { of: "r" } });
  await world.create(BackupPolicies, "lost", spec({ hosts: { names: ["r-1"] } }));
  const policy = await world.until(BackupPolicies, "lost", (object) =>
    expectReady(object, "False", "RepositoryNotFound"),
  );
  expect(message(policy)).toBe(
    "there is no Repository nowhere in this namespace; create it, or correct spec.repository.name",
  );
  expect(policy.status?.hosts).toMatchObject({ selected: 1 });
});

test("an annotation starts exactly one run on every selected host, once for each value", async () => {
  for (const name of ["a-1", "a-2", "a-3"]) await world.create(Hosts, name, {}, { labels: { of: "a" } });
  await world.create(BackupPolicies, "asked", spec({ hosts: { selector: { matchLabels: { of: "a" } } } }));
  const ask = (value: string) =>
    world.kubectl(["annotate", "--overwrite", "backuppolicy", "asked", `holdfast.dev/run-requested-at=${value}`]);
  const handled = (value: string) =>
    world.until(BackupPolicies, "asked", (policy) => expect(policy.status?.lastHandledRunRequest).toBe(value));

  await ask("first");
  await handled("first");
  const first = await runsOf("asked");
  expect(first.map(({ spec }) => [spec.hostRef, spec.trigger]).sort()).toEqual([
    ["a-1", "Manual"],
    ["a-2", "Manual"],
    ["a-3", "Manual"],
  ]);

  // As after a crash between the runs and the echo: the same request is done again.
  await world.kubectl([
    "patch",
    "backuppolicy",
    "asked",
    "--subresource=status",
    "--type=merge",
    '-p={"status":{"lastHandledRunRequest":null}}',
  ]);
  await world.kubectl(["annotate", "backuppolicy", "asked", "look=again"]);
  await handled("first");
  expect((await runsOf("asked")).map(({ metadata }) => metadata.uid).sort()).toEqual(
    first.map(({ metadata }) => metadata.uid).sort(),
  );

  await ask("second");
  await handled("second");
  expect(await runsOf("asked")).toHaveLength(6);
});

test("a request that status could not hold is refused by an Event, and the last one stays", async () => {
  await world.create(BackupPolicies, "refused", spec(), { annotations: { "holdfast.dev/run-requested-at": "é" } });
  await vi.waitFor(
    async () =>
      expect(await world.kubectl(["get", "events", "-o", "name", "--field-selector=reason=RunRequestRefused"])).toMatch(
        /event/,
      ),
    15_000,
  );
  expect((await world.get(BackupPolicies, "refused")).status?.lastHandledRunRequest).toBeUndefined();
});

test("of the ended runs of a host three that succeeded and one other are kept, the newest", async () => {
  await world.create(Hosts, "h-1", {}, { labels: { of: "h" } });
  const policy = await world.create(BackupPolicies, "history", spec({ hosts: { names: ["h-1"] } }));
  for (let index = 0; index < 5; index++) await ended(policy, `ok-${index}`, "Succeeded", index);
  for (let index = 0; index < 3; index++) await ended(policy, `bad-${index}`, "Failed", 10 + index);
  await vi.waitFor(
    async () =>
      expect((await runsOf("history")).map(({ metadata }) => metadata.name).sort()).toEqual([
        "bad-2",
        "ok-2",
        "ok-3",
        "ok-4",
      ]),
    { timeout: 20_000, interval: 200 },
  );
  await world.until(
    BackupPolicies,
    "history",
    ({ status }) => {
      expect(status?.hosts).toMatchObject({ selected: 1, succeeded: 0, failing: 1 });
      expect(status?.failing).toEqual([{ host: "h-1", run: "bad-2", reason: "Test" }]);
      expect(status?.lastSuccessfulTime).toBe("2026-01-01T00:00:04Z");
    },
    20_000,
  );
  await world.until(
    Hosts,
    "h-1",
    ({ status }) => {
      expect(status?.policies).toMatchObject([{ name: "history", lastSuccessfulTime: "2026-01-01T00:00:04Z" }]);
    },
    20_000,
  );
});

test("many results within ten seconds cost a policy and a host one write each", async () => {
  await world.create(Hosts, "p-1", {}, { labels: { of: "p" } });
  const policy = await world.create(
    BackupPolicies,
    "paced",
    spec({ hosts: { names: ["p-1"] }, successfulRunsHistoryLimit: 100 }),
  );
  await world.until(BackupPolicies, "paced", (object) => expectReady(object, "False", "RepositoryNotFound"));
  await world.until(Hosts, "p-1", ({ status }) => expect(status?.policies).toMatchObject([{ name: "paced" }]));
  await world.until(BackupPolicies, "paced", ({ status }) => expect(status?.hosts?.selected).toBe(1), 20_000);
  const before = { policy: world.statusWrites("backuppolicies", "paced"), host: world.statusWrites("hosts", "p-1") };
  for (let index = 0; index < 6; index++) {
    const run = await world.create(
      BackupRuns,
      `paced-${index}`,
      { policyRef: "paced", hostRef: "p-1", trigger: "Schedule", runID: `p${index}` },
      { ownerReferences: [ownerReference(BackupPolicies, policy)] },
    );
    const completionTime = new Date(Date.UTC(2026, 0, 2, 0, 0, index)).toISOString();
    await world.write(BackupRuns, run.metadata.name, runWriter, {
      phase: "Succeeded",
      reason: "Test",
      attempts: 1,
      completionTime,
    });
  }
  await world.until(
    BackupPolicies,
    "paced",
    ({ status }) => expect(status?.lastSuccessfulTime).toBe("2026-01-02T00:00:05Z"),
    25_000,
  );
  await world.until(Hosts, "p-1", ({ status }) => expect(status?.policies?.[0]?.lastRun).toBe("paced-5"), 25_000);
  expect(world.statusWrites("backuppolicies", "paced") - before.policy).toBeLessThanOrEqual(2);
  expect(world.statusWrites("hosts", "p-1") - before.host).toBeLessThanOrEqual(2);
});

test("a host that is away is said to lack a configuration that is made for it meanwhile, until that is taken back", async () => {
  await world.create(Hosts, "away", {}, { labels: { of: "away" } });
  const made = await world.until(Hosts, "away", ({ status }) => expect(status?.config?.desired).toBeDefined());
  const said = (type: string, status: string, reason: string) => {
    return { type, status, reason, message: "said by the test", lastTransitionTime: "2026-01-01T00:00:00Z" };
  };
  await world.write(Hosts, "away", sessionWriter, {
    session: { epoch: 1, replica: "op-1", disconnectedTime: "2026-01-01T00:00:00Z" },
    config: { applied: made.status?.config?.desired },
    conditions: [said("Connected", "False", "Disconnected"), said("ConfigApplied", "True", "Applied")],
  });
  const policy = await world.create(BackupPolicies, "meanwhile", spec({ hosts: { names: ["away"] } }));
  const applied = (status: string, reason: string) => (host: Host) => {
    expect(findCondition(host.status?.conditions, "ConfigApplied")).toMatchObject({ status, reason });
    expect(findCondition(host.status?.conditions, "Connected")).toMatchObject({ reason: "Disconnected" });
    expect(host.status?.session?.epoch).toBe(1);
  };
  await world.until(Hosts, "away", applied("False", "Pending"));
  await world.its().client.delete(BackupPolicies, policy.metadata);
  await world.until(Hosts, "away", applied("True", "Applied"));
});
