import { expect, test } from "vitest";
import { connectedHost, readyRepository, repositoryOf, restoreOf } from "../fixtures.ts";
import { restoreObstacle } from "./obstacle.ts";

type Found = Parameters<typeof restoreObstacle>[1];
const good: Found = { host: connectedHost("web-1"), repository: readyRepository("offsite") };

test.each<[string, Partial<Found>, [boolean, string, string] | undefined]>([
  ["nothing is in the way of a restore from a ready repository", {}, undefined],
  [
    "a missing Host ends it",
    { host: undefined },
    [true, "HostNotFound", "there is no Host web-1 in this namespace; correct the name, or enrol it first"],
  ],
  [
    "a missing Repository ends it",
    { repository: undefined },
    [
      true,
      "RepositoryNotFound",
      "there is no Repository offsite in this namespace; correct spec.source.repository in another Restore",
    ],
  ],
  [
    "a Repository that is being opened is waited for",
    { repository: repositoryOf("offsite") },
    [false, "RepositoryNotReady", "Repository offsite is not ready (Opening): it was just created"],
  ],
])("%s", (_, found, want) => {
  const obstacle = restoreObstacle(restoreOf("r"), { ...good, ...found });
  expect(obstacle && [obstacle.final, obstacle.reason, obstacle.message]).toEqual(want);
});
