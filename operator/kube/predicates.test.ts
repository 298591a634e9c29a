import { expect, test } from "vitest";
import type { ObjectMeta } from "#crds/meta.ts";
import { annotationsChanged, anyOf, generationChanged, labelsChanged } from "./predicates.ts";

const object = (metadata: Partial<ObjectMeta>) => ({
  apiVersion: "v1",
  kind: "X",
  metadata: { name: "a", uid: "u", resourceVersion: "1", ...metadata },
});
const update = (old: Partial<ObjectMeta>, now: Partial<ObjectMeta>) =>
  ({ type: "updated", old: object(old), object: object(now) }) as const;

test.each([
  ["a new generation passes", generationChanged, update({ generation: 1 }, { generation: 2 }), true],
  [
    "a status written, the generation the same, does not",
    generationChanged,
    update({ generation: 1 }, { generation: 1 }),
    false,
  ],
  ["a kind without generations passes", generationChanged, update({}, {}), true],
  ["an addition passes", generationChanged, { type: "added", object: object({ generation: 1 }) } as const, true],
  ["a deletion passes", annotationsChanged, { type: "deleted", object: object({}) } as const, true],
  ["an annotation more passes", annotationsChanged, update({}, { annotations: { a: "1" } }), true],
  ["an annotation less passes", annotationsChanged, update({ annotations: { a: "1" } }, {}), true],
  [
    "an annotation with another value passes",
    annotationsChanged,
    update({ annotations: { a: "1" } }, { annotations: { a: "2" } }),
    true,
  ],
  [
    "the same annotations do not",
    annotationsChanged,
    update({ annotations: { a: "1" } }, { annotations: { a: "1" } }),
    false,
  ],
  ["another label passes", labelsChanged, update({ labels: { a: "1" } }, { labels: { b: "1" } }), true],
  ["the same labels do not", labelsChanged, update({ labels: { a: "1" } }, { labels: { a: "1" } }), false],
  [
    "one of two is enough",
    anyOf(generationChanged, annotationsChanged),
    update({ generation: 1 }, { generation: 1, annotations: { a: "" } }),
    true,
  ],
  [
    "none of two is not",
    anyOf(generationChanged, annotationsChanged),
    update({ generation: 1 }, { generation: 1, labels: { a: "" } }),
    false,
  ],
])("%s", (_, predicate, change, want) => expect(predicate(change)).toBe(want));
