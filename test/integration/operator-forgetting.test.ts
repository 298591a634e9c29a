import { expect, test, vi } from "vitest";
import type { ProgressFrame } from "#protocol/frames.ts";
import { BackupPolicies, Hosts, Repositories } from "../../operator/controllers/kinds.ts";
import { TaskRecords } from "../../operator/hub/task-records.ts";
import { controllersWorld } from "./controllers-world.ts";

const world = controllersWorld();

/** Makes the Repository and resolves with its UID once host f-1 is to open it, as the caches show it. */
async function opening(name: string): Promise<string> {
  const { uid } = (
    await world.create(Repositories, name, {
      url: `rest:https://backup.example.com/${world.namespace}/${name}/`,
      passwordFrom: { secretKeyRef: { name: "password", key: "password" } },
    })
  ).metadata;
  await vi.waitFor(
    () => {
      const cached = world.its().caches.repositories.get({ namespace: world.namespace, name });
      expect(cached?.metadata.uid).toBe(uid);
      expect(cached?.status?.initializer?.hostRef).toBe("f-1");
    },
    { timeout: 15_000, interval: 50 },
  );
  return uid;
}

test("what was shown of a Repository's opening is forgotten with it: one of the same name begins anew", async () => {
  await world.kubectl(["create", "secret", "generic", "password", "--from-literal=password=correct-horse"]);
  const host = await world.create(Hosts, "f-1", {});
  await world.connect("f-1");
  await world.create(BackupPolicies, "again", {
    hosts: { names: ["f-1"] },
    repository: { name: "again" },
    files: { paths: ["/srv"] },
  });
  const { caches, desired } = world.its();
  const tasks = new TaskRecords({ ...world.its(), tries: desired.tries });
  const identity = { namespace: world.namespace, name: "f-1", uid: host.metadata.uid };
  const stuck = (repository: string): ProgressFrame => ({
    type: "progress",
    kind: "task",
    uid: `init:${repository}:1:00:x`,
    name: "again",
    attempt: 1,
    phase: "Running",
    reason: "RepositoryUnreachable",
    message: "nothing answers",
  });
  const shown = () =>
    world.until(Repositories, "again", ({ status }) =>
      expect(status?.lastOpen).toMatchObject({ reason: "RepositoryUnreachable" }),
    );

  tasks.progress(identity, stuck(await opening("again")));
  await shown();
  await world.kubectl(["delete", "repository", "again"]);
  await vi.waitFor(() =>
    expect(caches.repositories.get({ namespace: world.namespace, name: "again" })).toBeUndefined(),
  );
  tasks.progress(identity, stuck(await opening("again")));
  await shown();
});
