import { expect, test } from "vitest";
import { condition, connectedHost, hostOf, policyOf, readyRepository, repositoryOf, runOf } from "../fixtures.ts";
import { runObstacle } from "./obstacle.ts";

type Found = Parameters<typeof runObstacle>[1];
const good: Found = { policy: policyOf("www"), host: connectedHost("web-1"), repository: readyRepository("offsite") };

test.each<[string, Partial<Found>, [boolean, string, string] | undefined]>([
  ["nothing is in the way of a run of a ready policy", {}, undefined],
  [
    "a missing policy ends it",
    { policy: undefined },
    [
      true,
      "PolicyNotFound",
      "there is no BackupPolicy www in this namespace; correct spec.policyRef in another BackupRun",
    ],
  ],
  [
    "a missing Host ends it",
    { host: undefined },
    [true, "HostNotFound", "there is no Host web-1 in this namespace; correct the name, or enrol it first"],
  ],
  [
    "a revoked Host ends it",
    { host: connectedHost("web-1", { spec: { revoked: true } }) },
    [true, "HostRevoked", "Host web-1 was revoked; enrol its machine again first"],
  ],
  [
    "two machines with the identity of the Host are waited for: neither is told anything",
    {
      host: hostOf("web-1", {
        status: {
          conditions: [condition("IdentityConflict", "True", "SecondMachine", "two machines show the identity")],
        },
      }),
    },
    [false, "IdentityConflict", "two machines show the identity"],
  ],
  [
    "a policy that does not select the host ends it",
    { policy: policyOf("www", { spec: { hosts: { names: ["web-2"] } } }) },
    [
      true,
      "HostNotSelected",
      "BackupPolicy www does not select Host web-1; name one of its hosts, or extend its spec.hosts",
    ],
  ],
  [
    "a policy no agent would take ends it",
    { policy: policyOf("www", { spec: { schedule: "0 2 * * *", timeZone: "Nowhere" } }) },
    [
      true,
      "PolicyInvalid",
      'BackupPolicy www cannot be carried out: timeZone "Nowhere" is not known: write an IANA name such as "Europe/Berlin" or "UTC"',
    ],
  ],
  [
    "a missing Repository is waited for",
    { repository: undefined },
    [false, "RepositoryNotFound", "there is no Repository offsite, which BackupPolicy www names; create it"],
  ],
  [
    "a Repository that is being opened is waited for",
    { repository: repositoryOf("offsite") },
    [false, "RepositoryNotReady", "Repository offsite is not ready (Opening): it was just created"],
  ],
])("%s", (_, found, want) => {
  const obstacle = runObstacle(runOf("r"), { ...good, ...found });
  expect(obstacle && [obstacle.final, obstacle.reason, obstacle.message]).toEqual(want);
});
