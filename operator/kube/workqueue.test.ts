import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { ManualClock } from "#base/manual-clock.ts";
import { kubeMetrics } from "./metrics.ts";
import { retryBackoff, WorkQueue } from "./workqueue.ts";

function start() {
  const registry = new Registry();
  const clock = new ManualClock();
  return { registry, clock, queue: new WorkQueue({ name: "q", clock, metrics: kubeMetrics(registry) }) };
}

test.each([
  [1, 5],
  [2, 10],
  [10, 2560],
  [18, 655_360],
  [19, 1_000_000],
  [5000, 1_000_000],
])("failure %i in a row waits %i ms", (failures, ms) => expect(retryBackoff(failures)).toBe(ms));

test("a taker that came first gets the key that comes first", async () => {
  const { queue } = start();
  const takers = [queue.take(), queue.take()];
  queue.add("a");
  queue.add("b");
  expect(await Promise.all(takers)).toEqual(["a", "b"]);
});

test("a key added for later is there when its time has come, the earliest first", async () => {
  const { queue, clock } = start();
  queue.addAfter("late", 5000);
  queue.addAfter("soon", 1000);
  queue.addAfter("late", 9000);
  await clock.advance(999);
  expect(queue.length).toBe(0);
  await clock.advance(1);
  expect([queue.length, await queue.take()]).toEqual([1, "soon"]);
  await clock.advance(4000);
  expect([queue.length, await queue.take()]).toEqual([1, "late"]);
  await clock.advance(10_000);
  expect(queue.length).toBe(0);
});

test("each failure in a row doubles the wait of its own key only, and a success starts it anew", () => {
  const { queue } = start();
  const waits = [
    queue.addRateLimited("a"),
    queue.addRateLimited("a"),
    queue.addRateLimited("b"),
    queue.addRateLimited("a"),
  ];
  queue.forget("a");
  expect([...waits, queue.addRateLimited("a"), queue.addRateLimited("b")]).toEqual([5, 10, 5, 20, 5, 10]);
});

test("draining sends the takers home and ends when the last key is done", async () => {
  const { queue, clock } = start();
  queue.add("a");
  queue.add("b");
  expect(await queue.take()).toBe("a");
  queue.addAfter("c", 10);
  const log: string[] = [];
  const drained = queue.drain().then(() => log.push("drained"));
  await clock.advance(100);
  expect([await queue.take(), queue.length, log]).toEqual([undefined, 0, []]);
  queue.done("a");
  await drained;
  expect(log).toEqual(["drained"]);
});

test("the metrics are those of client-go", async () => {
  const { queue, clock, registry } = start();
  queue.add("a");
  queue.add("b");
  await clock.advance(2000);
  await queue.take();
  await clock.advance(3000);
  queue.addRateLimited("a");
  const text = await registry.metrics();
  expect(text).toContain('workqueue_depth{name="q"} 1');
  expect(text).toContain('workqueue_adds_total{name="q"} 2');
  expect(text).toContain('workqueue_retries_total{name="q"} 1');
  expect(text).toContain('workqueue_queue_duration_seconds_sum{name="q"} 2');
  expect(text).toContain('workqueue_unfinished_work_seconds{name="q"} 3');
  expect(text).toContain('workqueue_longest_running_processor_seconds{name="q"} 3');
  queue.done("a");
  expect(await registry.metrics()).toContain('workqueue_work_duration_seconds_sum{name="q"} 3');
});
