import { expect, test } from "vitest";
import { ManualClock } from "#base/manual-clock.ts";
import { repositoryOf } from "../controllers/fixtures.ts";
import { TaskTries } from "./task-tries.ts";

function begin() {
  const clock = new ManualClock();
  const pass = (ms: number) => clock.advance(ms);
  const due: string[] = [];
  let count = 0;
  const tries = new TaskTries({ clock, newID: () => `n${++count}`, due: (host) => due.push(host) });
  const current = (generation = 1, versions = "ab".repeat(32), host = "team/web-1", create = false) =>
    tries.current(repositoryOf("offsite", { generation }), host, versions, create);
  return { tries, pass, due, current };
}

test("a try keeps its id while it goes on, so that a repeat is the same command", async () => {
  const { current, pass } = begin();
  const id = current();
  expect(id).toBe(`init:repository-offsite:1:${"ab".repeat(16)}:n1`);
  await pass(60_000);
  expect(current()).toBe(id);
});

test("after a failure there is a pause that doubles up to five minutes, and then a new id", async () => {
  const { tries, current, pass, due } = begin();
  const pauses: number[] = [];
  for (let round = 0; round < 7; round++) {
    const id = current()!;
    tries.ended("team/offsite", id);
    due.length = 0;
    let waited = 0;
    while (current() === undefined) {
      await pass(5_000);
      waited += 5_000;
    }
    expect(due).toEqual(["team/web-1"]);
    pauses.push(waited / 1000);
  }
  expect(pauses).toEqual([10, 20, 40, 80, 160, 300, 300]);
});

test("a changed spec, Secret or host, or a first policy, is tried at once", async () => {
  const { tries, current } = begin();
  tries.ended("team/offsite", current()!);
  expect(current()).toBeUndefined();
  expect(current(2)).toMatch(/n2$/);
  expect(current(2, "cd".repeat(32))).toMatch(/n3$/);
  expect(current(2, "cd".repeat(32), "team/web-2")).toMatch(/n4$/);
  expect(current(2, "cd".repeat(32), "team/web-2", true)).toMatch(/n5$/);
});

test("the end of an earlier try changes nothing", async () => {
  const { tries, current } = begin();
  const first = current()!;
  const second = current(2);
  tries.ended("team/offsite", first);
  expect(current(2)).toBe(second);
});

test("a try of which nothing is heard for ten minutes is given up", async () => {
  const { current, pass, due } = begin();
  const first = current();
  await pass(600_000);
  expect(due).toEqual(["team/web-1"]);
  expect(current()).not.toBe(first);
});

test("an id says what it was made from, to whoever reads it", async () => {
  const { tries, current } = begin();
  const id = current(7)!;
  expect(begin().tries.tried(id)).toEqual({
    repositoryUID: "repository-offsite",
    generation: 7,
    secretVersions: "ab".repeat(16),
  });
  expect(tries.tried("cancel:x")).toBeUndefined();
});

test("a repository that was forgotten is tried anew at once", () => {
  const { tries, current } = begin();
  tries.ended("team/offsite", current()!);
  tries.forget("team/offsite");
  expect(current()).toMatch(/n2$/);
});
