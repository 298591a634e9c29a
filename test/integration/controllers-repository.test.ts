import { expect, test } from "vitest";
import type { BackupPolicy } from "#crds/backuppolicy.ts";
import type { Repository } from "#crds/repository.ts";
import { BackupPolicies, BackupRuns, Hosts, Repositories, Restores } from "../../operator/controllers/kinds.ts";
import { runWriter } from "../../operator/controllers/one-shot/writers.ts";
import { repositoryTaskWriter } from "../../operator/controllers/repository/writers.ts";
import { findCondition } from "../../operator/kube/conditions.ts";
import { controllersWorld, expectReady } from "./controllers-world.ts";

const world = controllersWorld();
const message = ({ status }: Repository) => findCondition(status?.conditions, "Ready")?.message;
const spec = (name: string): Repository["spec"] => ({
  url: `rest:https://backup.example.com/${world.namespace}/${name}/`,
  passwordFrom: { secretKeyRef: { name: `${name}-password`, key: "password" } },
  initialize: true,
});
const policy = (repository: string, hosts: string[]): BackupPolicy["spec"] => ({
  hosts: { names: hosts },
  repository: { name: repository },
  files: { paths: ["/srv"] },
});
const secret = (name: string, key = "password") =>
  world.kubectl(["create", "secret", "generic", `${name}-password`, `--from-literal=${key}=correct-horse`]);

/** What the replica with the initializer's socket writes. */
async function tried(name: string, lastOpen: NonNullable<Repository["status"]>["lastOpen"], repositoryID?: string) {
  const status = { lastOpen: { observedGeneration: 1, ...lastOpen }, ...(repositoryID && { repositoryID }) };
  await world.write(Repositories, name, repositoryTaskWriter, status);
}

test("from a missing Secret to Ready, it says at each step what is awaited", async () => {
  await world.create(Repositories, "steps", spec("steps"));
  const without = await world.until(Repositories, "steps", (object) => expectReady(object, "False", "SecretMissing"));
  expect(message(without)).toBe(
    `there is no Secret steps-password (passwordFrom) in namespace ${world.namespace}; create it`,
  );

  await secret("steps", "pasword");
  const wrongKey = await world.until(
    Repositories,
    "steps",
    (object) => expect(message(object)).toMatch(/has no key password/),
    20_000,
  );
  expect(message(wrongKey)).toBe(
    "Secret steps-password has no key password (passwordFrom); name one of its keys (pasword), or add this one",
  );
  expect(JSON.stringify(wrongKey)).not.toContain("correct-horse");

  await world.kubectl(["delete", "secret", "steps-password"]);
  await secret("steps");
  const unused = await world.until(
    Repositories,
    "steps",
    (object) => expectReady(object, "False", "WaitingForHost"),
    20_000,
  );
  expect(message(unused)).toMatch(/^no BackupPolicy uses it yet/);

  await world.create(Hosts, "s-1", {});
  await world.create(BackupPolicies, "steps", policy("steps", ["s-1"]));
  const away = await world.until(Repositories, "steps", (object) => expect(message(object)).toMatch(/s-1/));
  expect(message(away)).toBe(
    "none of its hosts is connected (s-1); start the agent on one of them, which then opens it",
  );

  await world.connect("s-1");
  const opening = await world.until(Repositories, "steps", (object) => expectReady(object, "False", "Opening"));
  expect(opening.status?.initializer?.hostRef).toBe("s-1");

  await tried("steps", {
    phase: "Running",
    reason: "RepositoryUnreachable",
    message: "connection refused",
    hostRef: "s-1",
  });
  await world.until(Repositories, "steps", (object) => expectReady(object, "False", "RepositoryUnreachable"));
  await tried("steps", {
    phase: "Failed",
    reason: "WrongPassword",
    message: "the password opens no key",
    hostRef: "s-1",
  });
  const wrong = await world.until(Repositories, "steps", (object) => expectReady(object, "False", "WrongPassword"));
  expect(findCondition(wrong.status?.conditions, "Stalled")?.status).toBe("True");

  await tried("steps", { phase: "Succeeded", hostRef: "s-1" }, "5f".repeat(32));
  const ready = await world.until(Repositories, "steps", (object) => expectReady(object, "True", "Opened"));
  expect(findCondition(ready.status?.conditions, "Stalled")).toBeUndefined();
  expect(ready.status).toMatchObject({
    initializer: { hostRef: "s-1" },
    repositoryID: "5f".repeat(32),
    display: { id: "5f5f5f5f" },
  });
  await world.until(BackupPolicies, "steps", (object) => expectReady(object, "True", "Ready"));
  await world.until(Hosts, "s-1", (object) => {
    expectReady(object, "True", "Connected");
    expect(object.status?.config?.desired).toMatch(/^[0-9a-f]{64}$/);
  });

  await world.kubectl(["patch", "backuppolicy", "steps", "--type=merge", '-p={"spec":{"suspend":true}}']);
  await world.until(BackupPolicies, "steps", (object) => expectReady(object, "True", "Suspended"));
  await world.kubectl(["patch", "host", "s-1", "--type=merge", '-p={"spec":{"paused":true}}']);
  await world.until(Hosts, "s-1", (object) => expectReady(object, "True", "Paused"));
});

test("the initializer stays while it is away, and moves when its Host is revoked or another is named", async () => {
  await secret("sticky");
  for (const name of ["t-1", "t-2", "t-3"]) await world.create(Hosts, name, {});
  await world.create(Repositories, "sticky", spec("sticky"));
  await world.create(BackupPolicies, "sticky", policy("sticky", ["t-1", "t-2", "t-3"]));
  const chosen = (name: string) =>
    world.until(Repositories, "sticky", ({ status }) => expect(status?.initializer?.hostRef).toBe(name));
  await world.connect("t-2");
  await chosen("t-2");

  await world.connect("t-1");
  await world.connect("t-2", "False");
  const waiting = await world.until(Repositories, "sticky", (object) => expectReady(object, "False", "WaitingForHost"));
  expect(waiting.status?.initializer?.hostRef).toBe("t-2");
  expect(message(waiting)).toMatch(/^t-2 is to open it and is not connected; .*annotation holdfast.dev\/initializer$/);

  await world.kubectl(["patch", "host", "t-2", "--type=merge", '-p={"spec":{"revoked":true}}']);
  await chosen("t-1");
  await world.kubectl(["annotate", "repository", "sticky", "holdfast.dev/initializer=t-3"]);
  await chosen("t-3");
});

test("a second resource of one repository is Stalled and names the first, until that is gone", async () => {
  await secret("first");
  const first = await world.create(Repositories, "first", spec("first"));
  // The API server's times have whole seconds; who is older must not depend on chance here.
  await expect.poll(() => Date.now()).toBeGreaterThan(Date.parse(first.metadata.creationTimestamp!) + 1000);
  const url = `rest:https://BACKUP.example.com:443/${world.namespace}/first`;
  await world.create(Repositories, "second", { ...spec("first"), url });
  const second = await world.until(Repositories, "second", (object) =>
    expectReady(object, "False", "DuplicateRepository"),
  );
  expect(message(second)).toMatch(`Repository ${world.namespace}/first has the same url`);
  await world.until(Repositories, "first", (object) => expectReady(object, "False", "WaitingForHost"));
  await world.its().client.delete(Repositories, first.metadata);
  await world.until(Repositories, "second", (object) => expectReady(object, "False", "WaitingForHost"));
});

test("of two resources of one repository the younger stays when it alone was opened", async () => {
  await secret("early");
  await secret("late");
  const early = await world.create(Repositories, "early", { ...spec("early"), url: spec("elsewhere").url });
  await expect.poll(() => Date.now()).toBeGreaterThan(Date.parse(early.metadata.creationTimestamp!) + 1000);
  await world.create(Repositories, "late", spec("late"));
  await tried("late", { phase: "Succeeded", hostRef: "l-1" }, "1a".repeat(32));
  await world.until(Repositories, "late", (object) => expectReady(object, "True", "Opened"));

  const patch = JSON.stringify({ spec: { url: spec("late").url } });
  await world.kubectl(["patch", "repository", "early", "--type=merge", `-p=${patch}`]);
  const duplicate = await world.until(Repositories, "early", (object) =>
    expectReady(object, "False", "DuplicateRepository"),
  );
  expect(message(duplicate)).toMatch(`Repository ${world.namespace}/late has the same url`);
  expectReady(await world.get(Repositories, "late"), "True", "Opened");
});

test("Secrets that a run has failed over are looked at again at once, not after minutes", async () => {
  await secret("changed");
  const { metadata } = await world.create(Hosts, "c-1", {});
  await world.create(Repositories, "changed", spec("changed"));
  await world.create(BackupPolicies, "changed", policy("changed", ["c-1"]));
  await tried("changed", { phase: "Succeeded", hostRef: "c-1" }, "2b".repeat(32));
  await world.until(Repositories, "changed", (object) => expectReady(object, "True", "Opened"));
  const identity = { namespace: world.namespace, name: "c-1", uid: metadata.uid };
  const password = async () => {
    const { config } = await world.its().desired.desired(identity, []);
    return config?.repositories[0]?.password;
  };
  // Read again now that it is open: from here on they would be looked at every five minutes.
  await world.kubectl(["annotate", "repository", "changed", "read=again"]);
  const { caches } = world.its();
  const seen = () => caches.repositories.get({ ...identity, name: "changed" })?.metadata.annotations;
  await expect.poll(seen).toEqual({ read: "again" });
  await expect.poll(password).toEqual({ value: "correct-horse" });
  const data = { password: Buffer.from("battery-staple").toString("base64") };
  await world.kubectl(["patch", "secret", "changed-password", `-p=${JSON.stringify({ data })}`]);
  expect(await password()).toEqual({ value: "correct-horse" });

  await world.create(BackupRuns, "changed-1", { policyRef: "changed", hostRef: "c-1" });
  await world.write(BackupRuns, "changed-1", runWriter, { phase: "Running", attempts: 1 });
  await expect
    .poll(() => world.its().caches.runs.get({ ...identity, name: "changed-1" })?.status?.phase)
    .toBe("Running");
  const completionTime = new Date().toISOString();
  await world.write(BackupRuns, "changed-1", runWriter, { phase: "Failed", reason: "WrongPassword", completionTime });
  await expect.poll(password, { timeout: 30_000 }).toEqual({ value: "battery-staple" });
});

test("a repository is created for the sake of a policy, never for a restore's", async () => {
  await secret("typo");
  const { metadata } = await world.create(Hosts, "r-1", {});
  await world.connect("r-1");
  await world.create(Repositories, "typo", spec("typo"));
  const target = { hostRef: "r-1", path: "/var/lib/holdfast/restore/typo" };
  await world.create(Restores, "typo", { source: { repository: "typo", snapshot: "latest", policy: "www" }, target });
  await world.until(Repositories, "typo", ({ status }) => expect(status?.initializer?.hostRef).toBe("r-1"));
  const create = async () => {
    const { commands } = await world.its().desired.desired({ ...metadata, namespace: world.namespace }, []);
    return commands.map((command) => command.type === "task" && command.create);
  };
  await expect.poll(create).toEqual([false]);
  await world.create(BackupPolicies, "typo", policy("typo", ["r-1"]));
  await expect.poll(create).toEqual([true]);
});
