import { expect, test } from "vitest";
import { ManualClock } from "#base/manual-clock.ts";
import type { Log } from "./log.ts";
import { shutdown } from "./shutdown.ts";

function silent(): Log & { lines: string[] } {
  const lines: string[] = [];
  const write = (_: object, message: string) => void lines.push(message);
  const log = { lines, debug: write, info: write, warn: write, error: write, child: () => log };
  return log;
}

test("the steps run one after the other", async () => {
  const clock = new ManualClock();
  const order: string[] = [];
  const slow = async () => {
    await clock.sleep(1000);
    order.push("slow");
  };
  const ending = shutdown(
    [
      { name: "slow", run: slow },
      { name: "quick", run: () => void order.push("quick") },
    ],
    { clock, log: silent() },
  );
  await clock.advance(1000);
  expect([await ending, order]).toEqual([true, ["slow", "quick"]]);
});

test("a step that fails does not keep the next from its turn, but the end is not clean", async () => {
  const order: string[] = [];
  const steps = [
    { name: "bad", run: () => Promise.reject(new Error("no")) },
    { name: "good", run: () => void order.push("good") },
  ];
  const log = silent();
  expect([await shutdown(steps, { clock: new ManualClock(), log }), order]).toEqual([false, ["good"]]);
  expect(log.lines).toEqual(["a shutdown step failed", "shutdown step done"]);
});

test("a step that hangs is left behind at 25 s; those after it are called and not waited for", async () => {
  const clock = new ManualClock();
  const order: string[] = [];
  const hangs = (signal: AbortSignal) => {
    signal.addEventListener("abort", () => order.push("told"));
    return new Promise<void>(() => {});
  };
  const ending = shutdown(
    [
      { name: "hangs", run: hangs },
      { name: "release", run: () => void order.push("release") },
    ],
    { clock, log: silent() },
  );
  await clock.advance(24_999);
  expect(order).toEqual([]);
  await clock.advance(1);
  expect([await ending, order]).toEqual([false, ["told", "release"]]);
});
