import { expect, test } from "vitest";
import { seededRandom } from "#base/random.ts";
import { DelayHeap } from "./delay-heap.ts";

test("nothing is taken before it is due", () => {
  const heap = new DelayHeap();
  heap.add("a", 10);
  expect([heap.next, heap.take(9), heap.take(10), heap.take(10), heap.next]).toEqual([
    10,
    undefined,
    "a",
    undefined,
    undefined,
  ]);
});

test("a key added again keeps the earlier of its times", () => {
  const heap = new DelayHeap();
  heap.add("a", 10);
  heap.add("b", 5);
  heap.add("a", 20);
  heap.add("b", 3);
  heap.add("a", 1);
  expect([heap.size, heap.take(99), heap.take(99), heap.take(99)]).toEqual([2, "a", "b", undefined]);
});

test("it yields what sorting would, for any order and any changes", () => {
  for (let seed = 1; seed <= 100; seed++) {
    const random = seededRandom(seed);
    const heap = new DelayHeap();
    const model = new Map<string, number>();
    for (let step = 0; step < 200; step++) {
      const at = Math.floor(random.next() * 1000);
      const key = `k${Math.floor(random.next() * 60)}`;
      if (random.next() < 0.7) {
        heap.add(key, at);
        model.set(key, Math.min(at, model.get(key) ?? at));
      } else {
        const first = Math.min(...model.values());
        expect(heap.next ?? Number.POSITIVE_INFINITY).toBe(first);
        const taken = heap.take(at);
        if (first > at) expect(taken).toBeUndefined();
        else expect(model.get(taken ?? "")).toBe(first);
        if (taken !== undefined) model.delete(taken);
      }
    }
    expect(heap.size).toBe(model.size);
  }
});
