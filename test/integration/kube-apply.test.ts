import { afterAll, beforeAll, expect, test } from "vitest";
import type { Condition } from "#crds/meta.ts";
import { applyStatus, type StatusWriter } from "../../operator/kube/apply.ts";
import { type ConditionDraft, conditions } from "../../operator/kube/conditions.ts";
import { isConflict, isNotFound } from "../../operator/kube/kube-error.ts";
import { ConfigMaps, holdfast, type Resource } from "../../operator/kube/resource.ts";
import { testNamespace } from "../namespace.ts";
import { type KubeParts, kubeParts } from "./kube-parts.ts";

const { cluster, namespace, kubectl } = testNamespace();

interface Status {
  phase?: string;
  progress?: { percent: number };
  result?: string;
  conditions?: Condition[];
}
type Task = Resource<{ what?: string }, Status>;
const plural = `tasks${namespace.slice(5)}`;
const Tasks = { ...holdfast<Task>("Task", plural), group: "kube-apply.test" };
const crd = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: `${plural}.${Tasks.group}` },
  spec: {
    group: Tasks.group,
    scope: "Namespaced",
    names: { plural, kind: "Task" },
    versions: [
      {
        name: "v1alpha1",
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: "object",
            properties: {
              spec: { type: "object", properties: { what: { type: "string" } } },
              status: {
                type: "object",
                properties: {
                  phase: { type: "string" },
                  progress: { type: "object", properties: { percent: { type: "integer" } } },
                  result: { type: "string" },
                  conditions: {
                    type: "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["type"],
                    items: {
                      type: "object",
                      required: ["type"],
                      properties: Object.fromEntries(
                        ["type", "status", "reason", "message", "lastTransitionTime"].map((name) => [
                          name,
                          { type: "string" },
                        ]),
                      ),
                    },
                  },
                },
              },
            },
          },
        },
      },
    ],
  },
};

/** Two replicas: the one that holds the socket, and the leader. */
let socket: KubeParts;
let leader: KubeParts;
beforeAll(async () => {
  socket = await kubeParts(cluster.kubeconfig);
  leader = await kubeParts(cluster.kubeconfig);
  await kubectl(["apply", "-f", "-"], JSON.stringify(crd));
  await kubectl(["wait", "--for=condition=Established", `crd/${crd.metadata.name}`]);
});
afterAll(async () => {
  await Promise.all([socket.client.close(), leader.client.close()]);
  await kubectl(["delete", "crd", crd.metadata.name, "--wait=false"]);
});

const run: StatusWriter = {
  manager: "holdfast-run",
  fields: ["phase", "progress", "result"],
  conditions: ["Complete"],
};
const session: StatusWriter = { manager: "holdfast-session", fields: [], conditions: ["Connected"] };
const create = (name: string) => socket.client.create(Tasks, { metadata: { namespace, name }, spec: { what: "x" } });
const caught = (promise: Promise<unknown>) => promise.then(() => undefined).catch((error: unknown) => error);
const condition = (type: string, status: "True" | "False" = "True"): ConditionDraft => ({
  type,
  status,
  reason: "Because",
  message: "",
});

test("a status passes from one writer to the other under one manager, and nothing of the first one's stays behind", async () => {
  const created = await create("handover");
  const running = await applyStatus(socket.client, Tasks, created, run, {
    phase: "Running",
    progress: { percent: 40 },
  });
  expect(running.object.status).toEqual({ phase: "Running", progress: { percent: 40 } });
  const done = await applyStatus(leader.client, Tasks, running.object, run, { phase: "Failed", result: "agent gone" });
  expect(done.object.status).toEqual({ phase: "Failed", result: "agent gone" });
});

test("the writer that was overtaken is refused and changes nothing, and can go on once it has read again", async () => {
  const created = await create("overtaken");
  await applyStatus(leader.client, Tasks, created, run, { phase: "Failed", result: "by the leader" });
  const late = applyStatus(socket.client, Tasks, created, run, { phase: "Succeeded", result: "by the socket" });
  expect(isConflict(await caught(late))).toBe(true);
  const live = await socket.client.get(Tasks, created.metadata);
  expect(live.status).toEqual({ phase: "Failed", result: "by the leader" });
  const again = await applyStatus(socket.client, Tasks, live, run, { phase: "Succeeded" });
  expect(again.object.status).toEqual({ phase: "Succeeded" });
});

test("of two that compute from the same state exactly one is written", async () => {
  for (let round = 0; round < 10; round++) {
    const created = await create(`race-${round}`);
    const results = await Promise.all([
      caught(applyStatus(socket.client, Tasks, created, run, { phase: "A" })),
      caught(applyStatus(leader.client, Tasks, created, run, { phase: "B" })),
    ]);
    expect(results.filter((error) => error === undefined)).toHaveLength(1);
    expect(results.filter(isConflict)).toHaveLength(1);
  }
});

test("under a manager of its own the second writer would leave the first one's fields behind: hence one manager", async () => {
  const created = await create("two-managers");
  const running = await applyStatus(socket.client, Tasks, created, run, {
    phase: "Running",
    progress: { percent: 40 },
  });
  const other = { ...run, manager: "holdfast-other" };
  const done = await applyStatus(leader.client, Tasks, running.object, other, { phase: "Failed" });
  expect(done.object.status).toEqual({ phase: "Failed", progress: { percent: 40 } });
});

test("each writer has its conditions: a complete set of one leaves those of the other alone", async () => {
  const created = await create("conditions");
  const first = conditions(undefined, [condition("Connected")], Date.UTC(2026, 0, 1));
  const connected = await applyStatus(socket.client, Tasks, created, session, { conditions: first });
  const second = conditions(connected.object.status?.conditions, [condition("Complete")], Date.UTC(2026, 0, 2));
  const complete = await applyStatus(leader.client, Tasks, connected.object, run, {
    phase: "Done",
    conditions: second,
  });
  const types = (task: Task) =>
    task.status?.conditions?.map(({ type, lastTransitionTime }) => [type, lastTransitionTime]).sort();
  expect(types(complete.object)).toEqual([
    ["Complete", "2026-01-02T00:00:00Z"],
    ["Connected", "2026-01-01T00:00:00Z"],
  ]);
  const without = await applyStatus(leader.client, Tasks, complete.object, run, { phase: "Done" });
  expect(types(without.object)).toEqual([["Connected", "2026-01-01T00:00:00Z"]]);
});

test("what is there already is not written again, nor would it be a change", async () => {
  const created = await create("no-op");
  const status = { phase: "Done", conditions: conditions(undefined, [condition("Complete")], Date.UTC(2026, 0, 1)) };
  const first = await applyStatus(socket.client, Tasks, created, run, status);
  expect(first.written).toBe(true);
  // Computed again, later: the condition keeps its time, so that there is nothing to write.
  const later = conditions(first.object.status?.conditions, [condition("Complete")], Date.UTC(2026, 0, 9));
  const second = await applyStatus(socket.client, Tasks, first.object, run, { phase: "Done", conditions: later });
  expect(second).toEqual({ object: first.object, written: false });
});

test("an apply to a deleted object does not bring it back, nor does it touch a new one of its name", async () => {
  const created = await create("deleted");
  const { uid } = created.metadata;
  await socket.client.delete(Tasks, created.metadata, { uid });
  const refused = (error: unknown) => isConflict(error) || isNotFound(error);
  expect(refused(await caught(applyStatus(socket.client, Tasks, created, run, { phase: "Done" })))).toBe(true);
  const whole = { metadata: { namespace, name: "deleted", uid }, spec: { what: "y" } };
  expect(isConflict(await caught(socket.client.apply(Tasks, whole, { manager: "holdfast-test" })))).toBe(true);
  expect(isNotFound(await caught(socket.client.get(Tasks, created.metadata)))).toBe(true);

  const second = await create("deleted");
  expect(isConflict(await caught(applyStatus(socket.client, Tasks, created, run, { phase: "Done" })))).toBe(true);
  const live = await socket.client.get(Tasks, second.metadata);
  expect([live.status, live.metadata.uid === uid]).toEqual([undefined, false]);
});

test("without the uid it would come back: that is why every apply carries it", async () => {
  await socket.client.create(ConfigMaps, { metadata: { namespace, name: "undead" } });
  await socket.client.delete(ConfigMaps, { namespace, name: "undead" });
  const back = await socket.client.apply(
    ConfigMaps,
    { metadata: { namespace, name: "undead" } },
    { manager: "holdfast-test" },
  );
  expect(back.metadata.name).toBe("undead");
});
