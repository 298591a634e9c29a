import { describe, expect, test } from "vitest";
import { applyStatus, isUpToDate, sameJson } from "./apply.ts";
import { holdfast, type Resource } from "./resource.ts";

type Thing = Resource<object, object>;
const Things = holdfast<Thing>("Thing", "things");
const writer = { manager: "holdfast-test", fields: ["phase", "config.applied"], conditions: ["Ready"] };
const ready = { type: "Ready", status: "True", reason: "R", message: "m", lastTransitionTime: "2026-01-01T00:00:00Z" };
const thing: Thing = {
  apiVersion: "holdfast.dev/v1alpha1",
  kind: "Thing",
  metadata: { name: "a", namespace: "n", uid: "u", resourceVersion: "7" },
  spec: {},
};

describe("the writer's part is up to date", () => {
  const live = {
    phase: "Running",
    config: { applied: "1", desired: "2" },
    conditions: [{ ...ready, type: "Other", status: "False" }, ready],
    session: { epoch: 4 },
  };
  test.each([
    [
      "when it is the same, whatever others wrote",
      { phase: "Running", config: { applied: "1" }, conditions: [ready] },
      true,
    ],
    ["not when a field differs", { phase: "Done", config: { applied: "1" }, conditions: [ready] }, false],
    [
      "not when a field below another writer's differs",
      { phase: "Running", config: { applied: "2" }, conditions: [ready] },
      false,
    ],
    ["not when a field is to be removed", { config: { applied: "1" }, conditions: [ready] }, false],
    ["not when a condition is to be removed", { phase: "Running", config: { applied: "1" } }, false],
    [
      "not when a condition's message differs",
      { phase: "Running", config: { applied: "1" }, conditions: [{ ...ready, message: "n" }] },
      false,
    ],
  ])("%s", (_, desired, want) => expect(isUpToDate(writer, live, desired)).toBe(want));

  test("when there is no status and none is wanted", () => expect(isUpToDate(writer, {}, {})).toBe(true));
});

test.each([
  [{ a: 1, b: undefined }, { a: 1 }, true],
  [{ a: null }, {}, true],
  [{ a: { b: [1, { c: "x" }] } }, { a: { b: [1, { c: "x" }] } }, true],
  [[1, 2], [2, 1], false],
  [[1], [1, undefined], false],
  [{ 0: 1 }, [1], false],
  [{}, "", false],
  [0, "", false],
  [0, null, false],
  [{ a: 1 }, { b: 1 }, false],
])("%j and %j say the same: %s", (a, b, want) => {
  expect([sameJson(a, b), sameJson(b, a)]).toEqual([want, want]);
});

/** Records what would be sent. The server's side is test/integration/kube-apply.test.ts. */
function recorder() {
  const sent: unknown[] = [];
  return {
    sent,
    apply: async (...args: unknown[]) => {
      sent.push(args);
      return { ...thing, metadata: { ...thing.metadata, resourceVersion: "8" } };
    },
  };
}

test("what is sent is the complete set under the writer's name, with uid and resourceVersion of the object it came from", async () => {
  const { sent, apply } = recorder();
  const result = await applyStatus({ apply } as never, Things, thing, writer, { phase: "Done" });
  expect(result).toMatchObject({ written: true, object: { metadata: { resourceVersion: "8" } } });
  const metadata = { namespace: "n", name: "a", uid: "u", resourceVersion: "7" };
  expect(sent).toEqual([
    [Things, { metadata, status: { phase: "Done" } }, { manager: "holdfast-test", subresource: "status" }],
  ]);
});

test("nothing is sent when the object says so already", async () => {
  const { sent, apply } = recorder();
  const live = { ...thing, status: { phase: "Done" } };
  expect(await applyStatus({ apply } as never, Things, live, writer, { phase: "Done" })).toEqual({
    object: live,
    written: false,
  });
  expect(sent).toEqual([]);
});

test.each([
  ["a field", { session: {} }, "status.session"],
  ["a field below another", { config: { applied: "1", desired: "2" } }, "status.config.desired"],
  ["a value in place of another's fields", { config: "x" }, "status.config"],
  ["a condition", { conditions: [{ ...ready, type: "Connected" }] }, "status.conditions[Connected]"],
])("%s of another writer is refused before anything is sent", async (_, desired, named) => {
  const { sent, apply } = recorder();
  const result = applyStatus({ apply } as never, Things, thing, writer, desired);
  await expect(result).rejects.toMatchObject({
    code: "kube/foreign-field",
    message: expect.stringContaining(`${named} of Thing`),
  });
  expect(sent).toEqual([]);
});
