import { expect, test, vi } from "vitest";
import type { Restore } from "#crds/restore.ts";
import { BackupPolicies, BackupRuns, Hosts, Repositories, Restores } from "../../operator/controllers/kinds.ts";
import { runWriter } from "../../operator/controllers/one-shot/writers.ts";
import { repositoryTaskWriter } from "../../operator/controllers/repository/writers.ts";
import { findCondition } from "../../operator/kube/conditions.ts";
import { controllersWorld, expectReady } from "./controllers-world.ts";

const world = controllersWorld();

/** A host, a policy on it and a Repository that is ready, all of this name. */
async function set(name: string): Promise<void> {
  await world.kubectl(["create", "secret", "generic", name, "--from-literal=password=x"]);
  await world.create(Hosts, name, {});
  await world.connect(name);
  const url = `rest:https://backup.example.com/${world.namespace}/${name}/`;
  await world.create(Repositories, name, { url, passwordFrom: { secretKeyRef: { name, key: "password" } } });
  await world.create(BackupPolicies, name, {
    hosts: { names: [name] },
    repository: { name },
    files: { paths: ["/srv"] },
  });
  await world.until(Repositories, name, (object) => expectReady(object, "False", "Opening"));
  const repositoryID = Buffer.from(name.padEnd(32)).toString("hex");
  const lastOpen = { phase: "Succeeded" as const, observedGeneration: 1, hostRef: name };
  await world.write(Repositories, name, repositoryTaskWriter, { repositoryID, lastOpen });
  await world.until(BackupPolicies, name, (object) => expectReady(object, "True", "Ready"));
}
const restore = (host: string, repository = host): Restore["spec"] => ({
  source: { repository, policy: host },
  target: { hostRef: host, path: "/var/lib/holdfast/restore/x" },
});
const identity = async (name: string) => ({ ...(await world.get(Hosts, name)).metadata, namespace: world.namespace });

test("a run of a policy that is not there fails and says what to correct", async () => {
  await world.create(BackupRuns, "astray", { policyRef: "ghost", hostRef: "ghost" });
  const { status } = await world.until(BackupRuns, "astray", (run) => expect(run.status?.phase).toBe("Failed"));
  expect(status).toMatchObject({
    reason: "PolicyNotFound",
    message: "there is no BackupPolicy ghost in this namespace; correct spec.policyRef in another BackupRun",
    observedGeneration: 1,
  });
  expect(status?.attempts).toBeUndefined();
  expect(findCondition(status?.conditions, "Stalled")).toMatchObject({ status: "True", reason: "PolicyNotFound" });
});

test("a day after its end a run goes that nobody owns and whose policy is not there", async () => {
  const completionTime = new Date(Date.now() - 25 * 3_600_000).toISOString();
  await world.create(BackupRuns, "orphan", { policyRef: "ghost", hostRef: "ghost" });
  await world.write(BackupRuns, "orphan", runWriter, { phase: "Failed", reason: "Test", completionTime });
  await vi.waitFor(() => expect(world.get(BackupRuns, "orphan")).rejects.toThrow(/not found/), 15_000);
});

test("a run for a connected host is asked of its agent without a write", async () => {
  await set("online");
  const run = await world.create(BackupRuns, "go", { policyRef: "online", hostRef: "online" });
  await expect.poll(() => [...world.its().refreshed]).toContain(`${world.namespace}/online`);
  const { desired } = world.its();
  const { config, commands } = await desired.desired(await identity("online"), ["held-before"]);
  expect(config).toMatchObject({
    policies: [{ name: "online" }],
    tombstones: ["held-before"],
    repositories: [{ name: "online" }],
  });
  expect(commands).toMatchObject([{ type: "run", id: run.metadata.uid, name: "go" }]);
  // The leader says the same of the host.
  await world.until(Hosts, "online", ({ status }) => expect(status?.config?.desired).toBe(config?.id));
  expect(world.statusWrites("backupruns", "go")).toBe(0);
});

test("a restore for a connected host carries the access to its repository", async () => {
  await set("back");
  const made = await world.create(Restores, "back", restore("back"));
  await expect
    .poll(async () => (await world.its().desired.desired(await identity("back"), [])).commands)
    .toMatchObject([
      {
        type: "restore",
        id: made.metadata.uid,
        repository: { name: "back", password: { value: "x" } },
        snapshot: { host: "back" },
      },
    ]);
  expect((await world.get(Restores, "back")).status).toEqual({ phase: "Pending" });
});

test("a host that is away is waited for with one write, and cancelling then ends it at once", async () => {
  await set("away");
  await world.connect("away", "False");
  await expect
    .poll(
      () =>
        findCondition(world.its().caches.hosts.get(`${world.namespace}/away`)?.status?.conditions, "Connected")?.status,
    )
    .toBe("False");
  await world.create(BackupRuns, "waits", { policyRef: "away", hostRef: "away" });
  await world.create(Restores, "waits", restore("away"));
  for (const kind of [BackupRuns, Restores] as const) {
    const waiting = await world.until(kind as typeof BackupRuns, "waits", ({ status }) =>
      expect(status?.reason).toBe("HostOffline"),
    );
    expect(waiting.status).toMatchObject({
      phase: "Pending",
      message: "the agent on away is not connected; it starts when the host is back",
    });
    await world.kubectl(["patch", kind.plural, "waits", "--type=merge", '-p={"spec":{"cancel":true}}']);
    const ended = await world.until(kind as typeof BackupRuns, "waits", ({ status }) =>
      expect(status?.phase).toBe("Cancelled"),
    );
    expect(ended.status).toMatchObject({ reason: "Cancelled", observedGeneration: 2 });
    expect(world.statusWrites(kind.plural, "waits")).toBe(2);
  }
});

test("a deadline that has passed ends it", async () => {
  await world.create(BackupRuns, "late", { policyRef: "away", hostRef: "away", startingDeadlineSeconds: 1 });
  const { status } = await world.until(BackupRuns, "late", (run) => expect(run.status?.phase).toBe("Failed"));
  expect(status).toMatchObject({ reason: "DeadlineExceeded" });
  expect(status?.message).toMatch(
    /^it could not start within startingDeadlineSeconds \(1 s\): the agent on away is not connected/,
  );
});

test("a run whose agent was lost long ago is Unknown, keeps what was known, and is Lost after its timeout and an hour", async () => {
  const hoursAgo = (hours: number) => new Date(Date.now() - hours * 3_600_000).toISOString().replace(/\.\d{3}Z$/, "Z");
  await world.connect("away", "False", "op-1", hoursAgo(2));
  const running = async (name: string, startTime: string) => {
    const run = await world.create(BackupRuns, name, {
      policyRef: "away",
      hostRef: "away",
      trigger: "Schedule",
      runID: name,
    });
    const status = { phase: "Running", reason: "Running", attempts: 1, startTime, logTail: "so far" };
    await world.write(BackupRuns, run.metadata.name, runWriter, status);
  };
  await running("unknown", hoursAgo(3));
  const unknown = await world.until(BackupRuns, "unknown", (run) => expect(run.status?.phase).toBe("Unknown"));
  expect(unknown.status).toMatchObject({ reason: "HostOffline", attempts: 1, logTail: "so far" });
  await running("lost", hoursAgo(26));
  const lost = await world.until(BackupRuns, "lost", (run) => expect(run.status?.phase).toBe("Failed"));
  expect(lost.status).toMatchObject({ reason: "Lost", logTail: "so far" });
  expect(lost.status?.attempts).toBeUndefined();
});
