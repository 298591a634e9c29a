import { expect, test } from "vitest";
import type { Repository } from "#crds/repository.ts";
import { keyOf } from "../../kube/resource.ts";
import { condition, NOON, RESTIC_ID, readyRepository, repositoryOf } from "../fixtures.ts";
import { duplicateOf } from "./duplicates.ts";
import { canonicalURL } from "./url.ts";

const HOUR = 3_600_000;
const spec = { url: "rest:https://backup.example.com/shared/" };
const unopened = (name: string, created = NOON) => repositoryOf(name, { spec, created, uid: `uid-${name}` });
const opened = (name: string, created = NOON) => readyRepository(name, { spec, created, uid: `uid-${name}` });
const indexes = (all: Repository[]) => ({
  repositoriesByURL: (url: string) => all.filter((each) => canonicalURL(each.spec.url) === url),
  repositoriesByID: (id: string) => all.filter((each) => each.status?.repositoryID === id),
});

test.each<[string, Repository[], "url" | "id"]>([
  ["the one that was opened, though it is younger", [opened("b", NOON + HOUR), unopened("a")], "url"],
  ["of two that never opened the older", [unopened("b"), unopened("a", NOON + HOUR)], "url"],
  ["of two that were opened the older", [opened("b"), opened("a", NOON + HOUR)], "url"],
  ["of two of one age the first by name", [unopened("a"), unopened("b")], "url"],
  [
    "of two urls of one repository the older",
    [opened("b"), readyRepository("a", { created: NOON + HOUR, uid: "uid-a" })],
    "id",
  ],
])("two that are one repository: %s stays, in whichever order they are found", (_, [stays, other], by) => {
  for (const all of [
    [stays!, other!],
    [other!, stays!],
  ]) {
    expect(duplicateOf(stays!, indexes(all))).toBeUndefined();
    expect(duplicateOf(other!, indexes(all))).toEqual({ key: keyOf(stays!), by });
  }
});

test("three of one repository all give way to the one that was opened", () => {
  const all = [unopened("a"), opened("b", NOON + 2 * HOUR), unopened("c", NOON + HOUR)];
  expect(all.map((each) => duplicateOf(each, indexes(all))?.key)).toEqual(["team/b", undefined, "team/b"]);
  expect(all[1]?.status?.repositoryID).toBe(RESTIC_ID);
});

test.each([
  ["WrongPassword", "WrongPassword"],
  ["Opening", undefined],
  ["WaitingForHost", undefined],
])("of one that never worked is said why (%s), of one that is only on the way is not", (reason, trouble) => {
  const first = repositoryOf("a", {
    spec,
    uid: "uid-a",
    status: { conditions: [condition("Ready", "False", reason)] },
  });
  const other = unopened("b", NOON + HOUR);
  expect(duplicateOf(other, indexes([first, other]))?.trouble).toBe(trouble);
});
