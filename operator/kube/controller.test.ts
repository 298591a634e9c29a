import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { ManualClock } from "#base/manual-clock.ts";
import { systemRandom } from "#base/random.ts";
import type { WatchClient } from "./client.ts";
import { Controller, type Reconcile, type Watch } from "./controller.ts";
import { Informers } from "./informers.ts";
import { KubeError } from "./kube-error.ts";
import type { Log } from "./log.ts";
import { kubeMetrics } from "./metrics.ts";

// The loop on its own, fed by hand. With caches, on a real API server: test/integration/kube-controller.test.ts.

interface Line {
  level: string;
  message: string;
  fields: Record<string, unknown>;
}

function start(reconcile: Reconcile, workers = 2) {
  const lines: Line[] = [];
  const logger = (bound: object): Log => {
    const at = (level: string) => (fields: object, message: string) =>
      void lines.push({ level, message, fields: { ...bound, ...fields } });
    const child = (fields: object) => logger({ ...bound, ...fields });
    return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error"), child };
  };
  const clock = new ManualClock();
  const registry = new Registry();
  const metrics = kubeMetrics(registry);
  const log = logger({});
  const client = {} as WatchClient; // no reconcile here calls it
  const informers = new Informers({ client, clock, random: systemRandom, log, metrics });
  let add: (key: string) => void = () => {};
  let watching = false;
  const source: Watch = {
    begin(enqueue) {
      add = enqueue;
      watching = true;
      return () => {
        watching = false;
      };
    },
  };
  const controller = new Controller({
    name: "test",
    client,
    informers,
    watches: [source],
    reconcile,
    workers,
    deadlineMs: 1000,
    clock,
    log,
    metrics,
  });
  const [stop, abort] = [new AbortController(), new AbortController()];
  const running = controller.run(stop.signal, abort.signal);
  return {
    clock,
    registry,
    lines,
    controller,
    stop,
    abort,
    running,
    add: (key: string) => add(key),
    watching: () => watching,
  };
}

test("a reconcile that throws, whatever and however, is logged with its key and tried again; the others go on", async () => {
  const calls: string[] = [];
  const thrown: Record<string, unknown> = { error: new Error("no"), text: "text", nothing: undefined };
  const test = start(async (key) => {
    calls.push(key);
    if (key in thrown && calls.filter((each) => each === key).length < 3) throw thrown[key];
  }, 1);
  await test.clock.advance(0);
  for (const key of ["error", "text", "nothing", "fine"]) test.add(key);
  await test.clock.advance(0);
  expect(calls).toEqual(["error", "text", "nothing", "fine"]);
  await test.clock.advance(5);
  expect(calls).toHaveLength(7);
  await test.clock.advance(10);
  expect(calls).toHaveLength(10);
  await test.clock.advance(100_000);
  expect(calls).toHaveLength(10);
  const errors = test.lines.filter(({ level }) => level === "error");
  const keys = errors.map(({ fields }) => fields["key"]);
  expect(keys.sort()).toEqual(["error", "error", "nothing", "nothing", "text", "text"]);
  expect(errors[0]).toMatchObject({
    message: "reconcile threw",
    fields: { controller: "test", error: "no", delayMs: 5 },
  });
  const metrics = await test.registry.metrics();
  expect(metrics).toContain('controller_runtime_reconcile_errors_total{controller="test"} 6');
  expect(metrics).toContain('controller_runtime_reconcile_total{controller="test",result="success"} 4');
});

test("a throw before the first await stops no worker either", async () => {
  let calls = 0;
  const test = start(() => {
    calls++;
    throw new Error("at once");
  }, 1);
  await test.clock.advance(0);
  test.add("a");
  await test.clock.advance(15);
  expect(calls).toBe(3);
});

test("a conflict is tried again without an error in the log", async () => {
  let calls = 0;
  const test = start(async () => {
    if (++calls === 1) throw new KubeError(409, "Conflict", "changed");
  });
  await test.clock.advance(0);
  test.add("a");
  await test.clock.advance(5);
  expect([calls, test.lines.map(({ level }) => level)]).toEqual([2, ["debug"]]);
});

test("a key never runs twice at once, and one added while it runs, runs again", async () => {
  const log: string[] = [];
  const test = start(async (key, { clock }) => {
    log.push(`${key} begins`);
    await clock.sleep(100);
    log.push(`${key} ends`);
  });
  await test.clock.advance(0);
  test.add("a");
  await test.clock.advance(50);
  test.add("a");
  test.add("b");
  await test.clock.advance(250);
  expect(log).toEqual(["a begins", "b begins", "a ends", "a begins", "b ends", "a ends"]);
});

test("requeueAfterMs brings the key back at that time", async () => {
  let calls = 0;
  const test = start(async () => (++calls === 1 ? { requeueAfterMs: 60_000 } : undefined));
  await test.clock.advance(0);
  test.add("a");
  await test.clock.advance(59_999);
  expect(calls).toBe(1);
  await test.clock.advance(1);
  expect(calls).toBe(2);
});

test("at the deadline the signal aborts, and it counts as a failure", async () => {
  const test = start(
    (_, { signal }) => new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    1,
  );
  await test.clock.advance(0);
  test.add("a");
  await test.clock.advance(1000);
  expect(test.lines).toMatchObject([
    { level: "error", message: "reconcile failed", fields: { key: "a", code: "kube/reconcile-deadline" } },
  ]);
  expect(await test.registry.metrics()).toContain('controller_runtime_reconcile_timeouts_total{controller="test"} 1');
});

test("a reconcile that never returns costs its worker until the deadline only; its key rests until it has ended", async () => {
  const calls: string[] = [];
  let end: () => void = () => {};
  const test = start((key) => {
    calls.push(key);
    if (key !== "stuck") return Promise.resolve();
    return new Promise((resolve) => {
      end = resolve;
    });
  }, 1);
  await test.clock.advance(0);
  test.add("stuck");
  test.add("fine");
  await test.clock.advance(999);
  expect(calls).toEqual(["stuck"]);
  await test.clock.advance(1);
  expect(calls).toEqual(["stuck", "fine"]);
  expect(test.lines.map(({ fields }) => fields["code"])).toEqual(["kube/reconcile-deadline"]);
  await test.clock.advance(3_600_000);
  expect(calls).toEqual(["stuck", "fine"]);
  const longest = 'workqueue_longest_running_processor_seconds{name="test"}';
  expect(await test.registry.metrics()).toContain(`${longest} 3601`);
  end();
  await test.clock.advance(0);
  expect(calls).toEqual(["stuck", "fine", "stuck"]);
});

test("leadership that is lost waits 5 s for a reconcile that does not listen, and no longer", async () => {
  const test = start(() => new Promise(() => {}), 1);
  await test.clock.advance(0);
  test.add("late");
  test.add("deaf");
  await test.clock.advance(1500);
  test.stop.abort();
  test.abort.abort(new Error("leadership was lost"));
  let ended = false;
  void test.running.then(() => {
    ended = true;
  });
  await test.clock.advance(4_999);
  expect(ended).toBe(false);
  await test.clock.advance(1);
  expect(ended).toBe(true);
  expect(await test.registry.metrics()).toContain('controller_runtime_active_workers{controller="test"} 0');
});

test("stop lets what runs come to its end and begins nothing more", async () => {
  const log: string[] = [];
  const test = start(async (key, { clock, signal }) => {
    log.push(`${key} begins`);
    await clock.sleep(100, signal);
    log.push(`${key} ends`);
  }, 1);
  let ended = false;
  void test.running.then(() => {
    ended = true;
  });
  await test.clock.advance(0);
  test.add("a");
  test.add("b");
  await test.clock.advance(50);
  test.stop.abort();
  test.controller.enqueue("c");
  await test.clock.advance(49);
  expect([ended, test.watching()]).toEqual([false, false]);
  await test.clock.advance(1);
  expect([ended, log]).toEqual([true, ["a begins", "a ends"]]);
});

test("abort cancels what runs, and nobody reports that as an error", async () => {
  const test = start((_, { clock, signal }) => clock.sleep(500, signal));
  await test.clock.advance(0);
  test.add("a");
  await test.clock.advance(50);
  test.stop.abort();
  test.abort.abort(new Error("leadership was lost"));
  await test.running;
  expect([test.lines, test.clock.monotonic()]).toEqual([[], 50]);
});

test("it may run again after it was stopped, with an empty queue", async () => {
  const calls: string[] = [];
  const test = start(async (key) => void calls.push(key));
  await test.clock.advance(0);
  test.stop.abort();
  await test.running;
  const [stop, abort] = [new AbortController(), new AbortController()];
  const again = test.controller.run(stop.signal, abort.signal);
  await test.clock.advance(0);
  test.controller.enqueue("a");
  test.controller.enqueue("later", 100);
  await test.clock.advance(99);
  expect(calls).toEqual(["a"]);
  await test.clock.advance(1);
  expect(calls).toEqual(["a", "later"]);
  stop.abort();
  await again;
});
