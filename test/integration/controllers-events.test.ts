import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { openCaches } from "../../operator/controllers/caches.ts";
import { EventObserver } from "../../operator/controllers/events/observer.ts";
import { hostWriter } from "../../operator/controllers/host/writers.ts";
import { BackupPolicies, BackupRuns, Hosts } from "../../operator/controllers/kinds.ts";
import { runWriter } from "../../operator/controllers/one-shot/writers.ts";
import { applyStatus, type StatusWriter } from "../../operator/kube/apply.ts";
import { EventRecorder } from "../../operator/kube/events.ts";
import { type Event, Events, type Kind, type KubeObject } from "../../operator/kube/resource.ts";
import { testNamespace } from "../namespace.ts";
import { informersOf, type KubeParts, kubeParts } from "./kube-parts.ts";

const api = testNamespace();
const { namespace } = api;
let admin: KubeParts;
beforeAll(async () => {
  admin = await kubeParts(api.cluster.kubeconfig);
  await create(BackupPolicies, "www", {
    hosts: { names: ["web-1"] },
    repository: { name: "offsite" },
    files: { paths: ["/srv"] },
  });
  await create(Hosts, "web-1", {});
});
afterAll(() => admin.client.close());

const create = <T extends KubeObject>(kind: Kind<T>, name: string, spec: object) =>
  admin.client.create<KubeObject>(kind, { metadata: { namespace, name }, spec } as never);

async function write<T extends KubeObject & { status?: object }>(
  kind: Kind<T>,
  name: string,
  writer: StatusWriter,
  status: object,
) {
  const live = await admin.client.get(kind, { namespace, name });
  await applyStatus(admin.client, kind, live, writer, status);
}

/** Says of web-1 what its controller would. */
function ready(status: "True" | "False", reason: string, message: string) {
  const conditions = [{ type: "Ready", status, reason, message, lastTransitionTime: "2026-11-21T12:00:00Z" }];
  return write(Hosts, "web-1", hostWriter, { conditions });
}

async function run(name: string, phase: "Succeeded" | "Failed", reason: string, policyRef = "www") {
  await create(BackupRuns, name, { policyRef, hostRef: "web-1" });
  await write(BackupRuns, name, runWriter, { phase, reason, attempts: 1, completionTime: new Date().toISOString() });
}

/** A leader: what it tells is written until it stops. */
async function leader() {
  const parts = await kubeParts(api.cluster.kubeconfig);
  const { informers, start, stop } = informersOf(parts, [namespace]);
  const caches = openCaches(informers);
  const events = new EventRecorder({ ...parts, component: "holdfast.dev/operator", identity: "test" });
  const ended = new AbortController();
  start();
  await informers.synced();
  const running = [new EventObserver({ informers, caches, events }).run(ended.signal), events.run(ended.signal)];
  return async () => {
    ended.abort(new Error("another leader"));
    await Promise.all(running);
    await stop();
  };
}

const told = async () => {
  const { items } = await admin.client.list(Events, { namespace });
  return items
    .map(({ regarding, reason, type }: Event) => `${type} ${reason} ${regarding.kind}/${regarding.name}`)
    .sort();
};
const expectTold = (want: string[]) =>
  vi.waitFor(async () => expect(await told()).toEqual(want.toSorted()), { timeout: 20_000, interval: 50 });

test("changes are told once, by whoever leads then; what stands is not told again by the next leader", async () => {
  const first = await leader();
  await ready("True", "Connected", "its agent is connected");
  await ready("False", "Disconnected", "the agent has been away");
  await run("one", "Succeeded", "Completed");
  await run("two", "Failed", "WrongPassword");
  const want = [
    "Warning Disconnected Host/web-1",
    "Warning BackupFailed Host/web-1",
    "Warning BackupFailed BackupPolicy/www",
  ];
  await expectTold(want);
  await first();

  const second = await leader();
  await run("three", "Succeeded", "Completed");
  await expectTold([...want, "Normal BackupRecovered Host/web-1", "Normal BackupRecovered BackupPolicy/www"]);
  await second();
});

test("the policy's Event names the host beside it, the host's the run", async () => {
  const { items } = await admin.client.list(Events, { namespace });
  const failed = items.filter(({ reason }) => reason === "BackupFailed");
  const related = failed.map(({ regarding, related }) => [regarding.kind, related?.kind, related?.name]).sort();
  expect(related).toEqual([
    ["BackupPolicy", "Host", "web-1"],
    ["Host", "BackupRun", "two"],
  ]);
});

test("a run that names no policy is told of itself", async () => {
  const end = await leader();
  await create(BackupRuns, "astray", { policyRef: "nowhere", hostRef: "web-1" });
  await write(BackupRuns, "astray", runWriter, {
    phase: "Failed",
    reason: "PolicyNotFound",
    message: "no BackupPolicy",
  });
  await vi.waitFor(async () => expect(await told()).toContain("Warning BackupFailed BackupRun/astray"), {
    timeout: 20_000,
    interval: 50,
  });
  expect(await api.kubectl(["describe", "backuprun", "astray"])).toMatch(/Warning +BackupFailed.*PolicyNotFound/);
  await end();
});

test("the failure of one policy does not hide that of another on the same host", async () => {
  const spec = { hosts: { names: ["web-1"] }, repository: { name: "offsite" }, files: { paths: ["/srv"] } };
  for (const name of ["db", "mail"]) await create(BackupPolicies, name, spec);
  const end = await leader();
  for (const name of ["db", "mail"]) await run(`${name}-fails`, "Failed", "RepositoryUnreachable", name);
  await vi.waitFor(
    async () => {
      const { items } = await admin.client.list(Events, { namespace });
      const notes = items.filter(({ regarding, reason }) => regarding.kind === "Host" && reason === "BackupFailed");
      const failed = notes.flatMap(({ note }) => /The backup (db|mail) /.exec(note ?? "")?.[1] ?? []);
      expect(failed.sort()).toEqual(["db", "mail"]);
    },
    { timeout: 20_000, interval: 50 },
  );
  await end();
});
