import { randomBytes } from "node:crypto";
import { Registry } from "prom-client";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { ManualClock } from "#base/manual-clock.ts";
import type { BackupPolicySpec } from "#crds/backuppolicy.ts";
import { sha256 } from "#protocol/canonical.ts";
import { formatCredential } from "#protocol/enroll.ts";
import { runRecord } from "#protocol/fixtures.ts";
import { runID, runName } from "#protocol/names.ts";
import type { RunRecord } from "#protocol/record.ts";
import { openCaches } from "../../operator/controllers/caches.ts";
import { BackupPolicies, BackupRuns, Hosts } from "../../operator/controllers/kinds.ts";
import { runController } from "../../operator/controllers/run/reconcile.ts";
import { CredentialAuthenticator } from "../../operator/hub/authenticator.ts";
import { CommandAnswers } from "../../operator/hub/command-sink.ts";
import { credentialSecret } from "../../operator/hub/credential-secret.ts";
import { LastWrites } from "../../operator/hub/last-writes.ts";
import { ProgressWriter } from "../../operator/hub/progress-sink.ts";
import { ResourceRecords } from "../../operator/hub/record-sink.ts";
import { TaskRecords } from "../../operator/hub/task-records.ts";
import { loadInstallation } from "../../operator/installation/installation.ts";
import { Secrets } from "../../operator/kube/resource.ts";
import { testNamespace } from "../namespace.ts";
import { informersOf, type KubeParts, kubeParts } from "./kube-parts.ts";
import { KubeProxy } from "./kube-proxy.ts";

// A replica whose watches hang, as they do until they are cut: its caches show the state before everything below.
const at = testNamespace();
const spec: BackupPolicySpec = { hosts: { names: ["old"] }, repository: { name: "none" }, files: { paths: ["/srv"] } };
let direct: KubeParts;
let proxy: KubeProxy;
let caches: ReturnType<typeof openCaches>;
let stop: () => Promise<void>;
const never = new AbortController().signal;

beforeAll(async () => {
  const { namespace } = at;
  direct = await kubeParts(at.cluster.kubeconfig);
  await direct.client.create(Hosts, { metadata: { namespace, name: "old" }, spec: {} });
  await direct.client.create(BackupPolicies, { metadata: { namespace, name: "old" }, spec });
  const run = { policyRef: "old", hostRef: "old" };
  await direct.client.create(BackupRuns, { metadata: { namespace, name: "old" }, spec: run });
  proxy = await KubeProxy.start(direct.server.href);
  const behind = await kubeParts(at.cluster.kubeconfig, { server: proxy.url });
  const running = informersOf(behind, [namespace]);
  caches = openCaches(running.informers);
  running.start();
  await running.informers.synced();
  proxy.hang();
  stop = running.stop;
});

afterAll(async () => {
  await stop?.();
  await proxy?.[Symbol.asyncDispose]();
  await direct?.client.close();
});

function records(): ResourceRecords {
  const tries = { tried: () => undefined, ended() {} };
  const tasks = new TaskRecords({ ...direct, caches, tries });
  return new ResourceRecords({ ...direct, caches, lastWrites: new LastWrites(), tasks, registry: new Registry() });
}

const succeeded = (
  run: { name: string; uid: string },
  policy: RunRecord["policy"],
  more: Partial<RunRecord> = {},
): RunRecord => runRecord({ ...run, policy, ...more });

test("a result of a run that was made again under its name is written to that one", async () => {
  const { namespace } = at;
  const { uid } = await direct.client.get(Hosts, { namespace, name: "old" }).then(({ metadata }) => metadata);
  await direct.client.delete(BackupRuns, { namespace, name: "old" });
  const run = { policyRef: "old", hostRef: "old" };
  const { metadata } = await direct.client.create(BackupRuns, { metadata: { namespace, name: "old" }, spec: run });
  expect(caches.runs.get({ namespace, name: "old" })?.metadata.uid).not.toBe(metadata.uid);
  const record = succeeded({ name: "old", uid: metadata.uid }, { uid: "-", name: "old" });
  const written = await records().write({ namespace, name: "old", uid }, record, never);
  expect(written).toEqual({ result: "written" });
  expect((await direct.client.get(BackupRuns, { namespace, name: "old" })).status?.phase).toBe("Succeeded");
});

test("a result of a host and a policy this replica has not heard of yet is written", async () => {
  const { namespace } = at;
  const host = await direct.client.create(Hosts, { metadata: { namespace, name: "new" }, spec: {} });
  const draft = { metadata: { namespace, name: "new" }, spec: { ...spec, hosts: { names: ["new"] } } };
  const policy = await direct.client.create(BackupPolicies, draft);
  const identity = {
    policyUID: policy.metadata.uid,
    hostUID: host.metadata.uid,
    occasion: "2026-11-20T02:00:00Z",
  };
  const run = { name: runName("new", "new", identity), uid: runID(identity) };
  const record = succeeded(
    run,
    { uid: policy.metadata.uid, name: "new" },
    { trigger: "Schedule", scheduledTime: identity.occasion },
  );
  const of = { namespace, name: "new", uid: host.metadata.uid };
  expect(await records().write(of, record, never)).toEqual({ result: "written" });
});

test("a command that its host refuses again and again is looked at a few times, not each time", async () => {
  const { namespace } = at;
  const [run] = caches.activeRunsByHost(`${namespace}/old`);
  let asked = 0;
  const counted = await kubeParts(at.cluster.kubeconfig, { onRequest: () => asked++ });
  onTestFinished(() => counted.client.close());
  const tries = { tried: () => undefined, ended() {} };
  const tasks = new TaskRecords({ ...counted, caches, tries });
  const answers = new CommandAnswers({ ...counted, caches, tasks, tries, signal: never });
  const answer = { id: run?.metadata.uid ?? "", state: "refused" } as const;
  for (let times = 0; times < 200; times++) answers.answered({ namespace, name: "old", uid: "-" }, answer);
  // Requests are sent in the order in which they were asked for.
  await counted.client.get(Hosts, { namespace, name: "old" });
  expect(asked).toBeGreaterThan(1);
  expect(asked).toBeLessThan(10);
});

test("a host whose progress changes all the time leaves room for that of the others", async () => {
  const { namespace } = at;
  const { name, uid } = caches.activeRunsByHost(`${namespace}/old`)[0]?.metadata ?? { name: "", uid: "" };
  let asked = 0;
  const counted = await kubeParts(at.cluster.kubeconfig, { onRequest: () => asked++ });
  onTestFinished(() => counted.client.close());
  const clock = new ManualClock();
  const lastWrites = new LastWrites();
  lastWrites.set(uid, { phase: "Running", reason: "Running", at: 0 });
  const writer = new ProgressWriter({ ...counted, clock, caches, lastWrites, tasks: { progress() {} } });
  const frame = { type: "progress", kind: "run", uid, name, attempt: 1, phase: "Running", message: "" } as const;
  for (let times = 0; times < 60; times++) {
    writer.report({ namespace, name: "old", uid: "-" }, { ...frame, reason: `Reason${times}` });
    // Requests are sent in the order in which they were asked for.
    await counted.client.get(Hosts, { namespace, name: "old" });
  }
  expect(asked - 60).toBeGreaterThan(1);
  expect(asked - 60).toBeLessThanOrEqual(20);
});

test("a Host that was deleted and enrolled again is known by its new credential", async () => {
  const { namespace } = at;
  await direct.client.delete(Hosts, { namespace, name: "old" });
  const host = await direct.client.create(Hosts, { metadata: { namespace, name: "old" }, spec: {} });
  const secret = randomBytes(32).toString("base64url");
  const credential = { hash: sha256(secret), enrolledTime: new Date().toISOString() };
  await direct.client.create(Secrets, credentialSecret(host, credential));
  const installation = await loadInstallation(direct.client, namespace, Date.now());
  const authenticator = new CredentialAuthenticator({ ...direct, caches, installation, watchNamespaces: undefined });
  const authorization = `Bearer ${formatCredential({ namespace, host: "old", secret })}`;
  const answer = await authenticator.authenticate({ authorization, ticket: undefined, remoteAddress: "" }, never);
  expect(answer).toMatchObject({ host: { namespace, name: "old", uid: host.metadata.uid } });
});

test("a run whose policy and host the leader has not heard of yet is not said to name what is not there", async () => {
  const { namespace } = at;
  const current = informersOf(direct, [namespace]);
  const { runs } = openCaches(current.informers);
  current.start();
  await current.informers.synced();
  const ended = new AbortController();
  const mixed = { ...caches, runs };
  const parts = { ...direct, informers: current.informers, caches: mixed };
  const controlling = runController(parts).run(ended.signal, ended.signal);
  onTestFinished(async () => {
    ended.abort();
    await controlling;
  });
  const host = { metadata: { namespace, name: "young" }, spec: {} };
  await direct.client.create(Hosts, host);
  await direct.client.create(BackupPolicies, { ...host, spec: { ...spec, hosts: { names: ["young"] } } });
  await direct.client.create(BackupRuns, { ...host, spec: { policyRef: "young", hostRef: "young" } });
  const reason = async () => (await direct.client.get(BackupRuns, host.metadata)).status?.reason;
  await expect.poll(reason, { timeout: 20_000 }).toEqual(expect.any(String));
  expect(await reason()).toBe("RepositoryNotFound");
});
