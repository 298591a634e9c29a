import { expect, test } from "vitest";
import { seededRandom } from "#base/random.ts";
import { QueueState } from "./workqueue-state.ts";

test("keys come in the order of adding, each once however often it was added", () => {
  const queue = new QueueState();
  expect(["a", "b", "a", "c", "b"].map((key) => queue.add(key))).toEqual([true, true, false, true, false]);
  expect([queue.take(), queue.take(), queue.take(), queue.take()]).toEqual(["a", "b", "c", undefined]);
});

test("a key added while it is processed is not handed out before it is done, and then once", () => {
  const queue = new QueueState();
  queue.add("a");
  queue.take();
  expect(queue.add("a")).toBe(true);
  expect(queue.add("a")).toBe(false);
  expect(queue.take()).toBeUndefined();
  expect(queue.done("a")).toBe(true);
  expect(queue.take()).toBe("a");
  expect(queue.done("a")).toBe(false);
  expect(queue.take()).toBeUndefined();
});

test("a draining queue forgets what waits, takes nothing more, and is drained when what it handed out is done", () => {
  const queue = new QueueState();
  queue.add("a");
  queue.add("b");
  queue.take();
  queue.add("a");
  queue.drain();
  expect(queue.add("c")).toBe(false);
  expect([queue.length, queue.drained]).toEqual([0, false]);
  expect(queue.done("a")).toBe(false);
  expect([queue.take(), queue.drained]).toEqual([undefined, true]);
});

test("in any history no key is processed twice at once and every add is followed by a processing", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = seededRandom(seed);
    const queue = new QueueState();
    const running = new Set<string>();
    /** Keys whose last add has not been followed by a take yet. */
    const owed = new Set<string>();
    for (let step = 0; step < 300; step++) {
      const key = `k${Math.floor(random.next() * 5)}`;
      const dice = random.next();
      if (dice < 0.4) {
        queue.add(key);
        owed.add(key);
      } else if (dice < 0.7) {
        const taken = queue.take();
        if (taken === undefined) continue;
        expect(running.has(taken), `seed ${seed}: ${taken} runs twice`).toBe(false);
        running.add(taken);
        owed.delete(taken);
      } else if (running.delete(key)) queue.done(key);
    }
    for (const key of running) queue.done(key);
    for (let key = queue.take(); key !== undefined; key = queue.take()) owed.delete(key);
    expect([...owed], `seed ${seed}: lost`).toEqual([]);
  }
});
