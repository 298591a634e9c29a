import { expect, test } from "vitest";
import type { Clock } from "#base/clock.ts";
import { repositoryOf } from "../controllers/fixtures.ts";
import { TaskTries } from "./task-tries.ts";

/** A clock that stands until it is moved; what is due then runs in order. */
function standingClock() {
  let now = 0;
  const due: { at: number; run: () => void }[] = [];
  const clock: Pick<Clock, "now" | "monotonic" | "after"> = {
    now: () => now,
    monotonic: () => now,
    after(ms, run) {
      const entry = { at: now + ms, run };
      due.push(entry);
      return () => void due.splice(due.indexOf(entry), due.includes(entry) ? 1 : 0);
    },
  };
  const pass = (ms: number) => {
    now += ms;
    for (const entry of due.filter(({ at }) => at <= now)) {
      due.splice(due.indexOf(entry), 1);
      entry.run();
    }
  };
  return { clock: clock as Clock, pass };
}

function begin() {
  const { clock, pass } = standingClock();
  const due: string[] = [];
  let count = 0;
  const tries = new TaskTries({ clock, newID: () => `n${++count}`, due: (host) => due.push(host) });
  const current = (generation = 1, versions = "ab".repeat(32), host = "team/web-1") =>
    tries.current(repositoryOf("offsite", { generation }), host, versions);
  return { tries, pass, due, current };
}

test("a try keeps its id while it goes on, so that a repeat is the same command", () => {
  const { current, pass } = begin();
  const id = current();
  expect(id).toBe(`init:repository-offsite:1:${"ab".repeat(16)}:n1`);
  pass(60_000);
  expect(current()).toBe(id);
});

test("after a failure there is a pause that doubles up to five minutes, and then a new id", () => {
  const { tries, current, pass, due } = begin();
  const pauses: number[] = [];
  for (let round = 0; round < 7; round++) {
    const id = current()!;
    tries.ended("team/offsite", id);
    due.length = 0;
    let waited = 0;
    while (current() === undefined) {
      pass(5_000);
      waited += 5_000;
    }
    expect(due).toEqual(["team/web-1"]);
    pauses.push(waited / 1000);
  }
  expect(pauses).toEqual([10, 20, 40, 80, 160, 300, 300]);
});

test("a changed spec, Secret or host is tried at once", () => {
  const { tries, current } = begin();
  tries.ended("team/offsite", current()!);
  expect(current()).toBeUndefined();
  expect(current(2)).toMatch(/n2$/);
  expect(current(2, "cd".repeat(32))).toMatch(/n3$/);
  expect(current(2, "cd".repeat(32), "team/web-2")).toMatch(/n4$/);
});

test("the end of an earlier try changes nothing", () => {
  const { tries, current } = begin();
  const first = current()!;
  const second = current(2);
  tries.ended("team/offsite", first);
  expect(current(2)).toBe(second);
});

test("a try of which nothing is heard for ten minutes is given up", () => {
  const { current, pass, due } = begin();
  const first = current();
  pass(600_000);
  expect(due).toEqual(["team/web-1"]);
  expect(current()).not.toBe(first);
});

test("an id says what it was made from, to whoever reads it", () => {
  const { tries, current } = begin();
  const id = current(7)!;
  expect(begin().tries.tried(id)).toEqual({ generation: 7, secretVersions: "ab".repeat(16) });
  expect(tries.taskOf(id)).toBe("team/offsite");
  expect(tries.tried("cancel:x")).toBeUndefined();
  expect(tries.taskOf("cancel:x")).toBeUndefined();
  tries.forget("team/offsite");
  expect(tries.taskOf(id)).toBeUndefined();
});
