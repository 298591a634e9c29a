import { afterAll, expect, onTestFinished, test } from "vitest";
import { ManualClock } from "#base/manual-clock.ts";
import { EventRecorder } from "../../operator/kube/events.ts";
import { type ConfigMap, ConfigMaps, Events } from "../../operator/kube/resource.ts";
import { testNamespace } from "../namespace.ts";
import { type KubeParts, kubeParts } from "./kube-parts.ts";

const { cluster, namespace, kubectl } = testNamespace();
const WAIT = { timeout: 20_000, interval: 20 };
const admin = await kubeParts(cluster.kubeconfig);
afterAll(() => admin.client.close());

const subject = (name: string): Promise<ConfigMap> =>
  admin.client.create(ConfigMaps, { metadata: { namespace, name } });
const failed = {
  type: "Warning",
  reason: "RepositoryUnreachable",
  action: "Backup",
  note: "no route to host",
} as const;

/** The recorder's own time is the test's; what it writes goes to the real server. */
function record(parts: KubeParts = admin) {
  const clock = new ManualClock(Date.now());
  const recorder = new EventRecorder({ ...parts, clock, component: "holdfast.dev/operator", identity: "replica-1" });
  const ended = new AbortController();
  const running = recorder.run(ended.signal);
  onTestFinished(async () => {
    ended.abort();
    await running;
  });
  return { recorder, clock };
}

const eventsOf = async (object: ConfigMap) =>
  (await admin.client.list(Events, { namespace })).items.filter(
    ({ regarding }) => regarding.uid === object.metadata.uid,
  );

test("an Event tells what happened to which object, and kubectl shows it", async () => {
  const { recorder } = record();
  const object = await subject("told");
  recorder.record(ConfigMaps, object, failed);
  await expect.poll(() => eventsOf(object), WAIT).toHaveLength(1);
  const [event] = await eventsOf(object);
  expect(event).toMatchObject({
    ...failed,
    reportingController: "holdfast.dev/operator",
    reportingInstance: "replica-1",
    regarding: { apiVersion: "v1", kind: "ConfigMap", namespace, name: "told" },
  });
  expect(await kubectl(["describe", "configmap", "told"])).toMatch(/Warning +RepositoryUnreachable.*no route to host/);
});

test("what happens again and again is one Event with a count, written once a minute", async () => {
  const { recorder, clock } = record();
  const object = await subject("repeated");
  for (let time = 0; time < 1000; time++) recorder.record(ConfigMaps, object, { ...failed, note: `attempt ${time}` });
  await expect.poll(() => eventsOf(object), WAIT).toHaveLength(1);
  expect((await eventsOf(object))[0]?.series).toBeUndefined();
  await clock.advance(60_000);
  await expect.poll(async () => (await eventsOf(object))[0]?.series?.count, WAIT).toBe(1000);
  recorder.record(ConfigMaps, object, failed);
  await clock.advance(60_000);
  await expect.poll(async () => (await eventsOf(object))[0]?.series?.count, WAIT).toBe(1001);
  expect(await eventsOf(object)).toHaveLength(1);
});

test("a flood is bounded: a burst is written, the queue holds 256, the rest is dropped and counted", async () => {
  const { recorder } = record(admin);
  const object = await subject("flood");
  for (let time = 0; time < 1000; time++) recorder.record(ConfigMaps, object, { ...failed, reason: `Reason${time}` });
  await expect.poll(async () => (await eventsOf(object)).length, WAIT).toBe(25);
  expect(await admin.metric('event_recorder_dropped_total{reason="queue-full"}')).toBe(1000 - 256);
});

test("a thousand objects with one trouble are ten Events, and then one for all the others", async () => {
  const { recorder, clock } = record();
  const object = await subject("storm");
  const of = (index: number): ConfigMap => ({ ...object, metadata: { ...object.metadata, uid: `storm-${index}` } });
  for (let index = 0; index < 1000; index++) recorder.record(ConfigMaps, of(index), failed);
  const events = async () =>
    (await admin.client.list(Events, { namespace })).items.filter(({ regarding }) => regarding.name === "storm");
  await expect.poll(events, WAIT).toHaveLength(10);
  await clock.advance(30_000);
  await expect.poll(events, WAIT).toHaveLength(11);
  const notes = (await events()).map(({ note }) => note).filter((note) => note !== failed.note);
  expect(notes).toEqual([
    expect.stringMatching(/^no route to host \(989 more like this since .*: kubectl get configmaps\)$/),
  ]);
});

test("one of the many that still has its trouble after the storm is told then, though it was held back before", async () => {
  const { recorder, clock } = record();
  const object = await subject("after-storm");
  const of = (index: number): ConfigMap => ({ ...object, metadata: { ...object.metadata, uid: `after-${index}` } });
  const told = async () =>
    (await admin.client.list(Events, { namespace })).items
      .filter(({ regarding }) => regarding.name === "after-storm")
      .map(({ regarding }) => regarding.uid);
  for (let index = 0; index < 20; index++) recorder.record(ConfigMaps, of(index), failed);
  await expect.poll(told, WAIT).toHaveLength(10);
  await clock.advance(30_000);
  await expect.poll(told, WAIT).toHaveLength(11);
  await clock.advance(270_000);
  recorder.record(ConfigMaps, of(15), failed);
  await expect.poll(told, WAIT).toContain("after-15");
});

test("an operator that may not write Events goes on without them", async () => {
  const jane = await kubeParts(await cluster.kubeconfigFor("jane"));
  onTestFinished(() => jane.client.close());
  const { recorder } = record(jane);
  const object = await subject("forbidden");
  recorder.record(ConfigMaps, object, failed);
  await expect.poll(() => jane.metric('event_recorder_dropped_total{reason="refused"}'), WAIT).toBe(1);
  expect(await eventsOf(object)).toEqual([]);
});

test("long and odd names and notes still make an Event the API server takes", async () => {
  const { recorder } = record();
  const object = await subject(`${"n".repeat(199)}.${"x".repeat(53)}`);
  recorder.record(ConfigMaps, object, { ...failed, note: "é".repeat(5000) });
  await expect.poll(() => eventsOf(object), WAIT).toHaveLength(1);
});
