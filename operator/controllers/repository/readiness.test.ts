import { expect, test } from "vitest";
import type { RepositoryStatus } from "#crds/repository.ts";
import { connectedHost, hostOf, RESTIC_ID, readyRepository, repositoryOf } from "../fixtures.ts";
import { repositoryReadiness, type Surroundings } from "./readiness.ts";

const calm: Surroundings = {
  duplicateOf: undefined,
  problem: undefined,
  initializer: connectedHost("web-1"),
  policies: ["www"],
  hosts: ["web-1"],
};
const tried = (lastOpen: RepositoryStatus["lastOpen"]) =>
  repositoryOf("offsite", { status: { lastOpen: { hostRef: "web-1", observedGeneration: 1, ...lastOpen } } });

test.each<[string, ReturnType<typeof repositoryOf>, Partial<Surroundings>, [string, string, string]]>([
  [
    "opened, it is ready",
    readyRepository("offsite"),
    {},
    ["ready", "Opened", `repository ${RESTIC_ID.slice(0, 8)} was opened`],
  ],
  [
    "the same url twice is for the user to mend",
    repositoryOf("offsite"),
    { duplicateOf: { key: "team/first", by: "url" } },
    [
      "stalled",
      "DuplicateRepository",
      "Repository team/first has the same url, and one repository is one resource; delete this one and use that",
    ],
  ],
  [
    "the same url as one that never worked does not say which of them is the mistake",
    repositoryOf("offsite"),
    { duplicateOf: { key: "team/first", by: "url", trouble: "WrongPassword" } },
    [
      "stalled",
      "DuplicateRepository",
      "Repository team/first has the same url, and one repository is one resource; delete one of the two: that one never worked (WrongPassword), and once it is deleted this one is opened",
    ],
  ],
  [
    "the same id twice, even when it was opened",
    readyRepository("offsite"),
    { duplicateOf: { key: "team/first", by: "id" } },
    [
      "stalled",
      "DuplicateRepository",
      "Repository team/first has the same repository (id 5f5f5f5f), and one repository is one resource; delete this one and use that",
    ],
  ],
  [
    "a missing Secret is named",
    repositoryOf("offsite"),
    { problem: "there is no Secret x" },
    ["waiting", "SecretMissing", "there is no Secret x"],
  ],
  [
    "not to be made for a Restore alone, it says so and not that initialize is to be set",
    repositoryOf("offsite", {
      spec: { initialize: true },
      status: {
        lastOpen: { hostRef: "web-1", observedGeneration: 1, phase: "Failed", reason: "RepositoryNotInitialized" },
      },
    }),
    { policies: [] },
    [
      "stalled",
      "RepositoryNotInitialized",
      "there is no repository at this address, and none is made for a Restore alone: correct the url, or have a BackupPolicy use it (tried from web-1)",
    ],
  ],
  [
    "unused, it says what opens it",
    repositoryOf("offsite"),
    { initializer: undefined, policies: [], hosts: [] },
    [
      "waiting",
      "WaitingForHost",
      "no BackupPolicy uses it yet; name it in spec.repository of one, whose first connected host then opens it",
    ],
  ],
  [
    "used by policies without hosts, it says so",
    repositoryOf("offsite"),
    { initializer: undefined, hosts: [] },
    [
      "waiting",
      "WaitingForHost",
      "no host is selected by www; enrol one with an EnrollmentToken, or correct spec.hosts",
    ],
  ],
  [
    "with its hosts all away, it names them",
    repositoryOf("offsite"),
    { initializer: undefined, hosts: ["web-1", "web-2"] },
    [
      "waiting",
      "WaitingForHost",
      "none of its hosts is connected (web-1, web-2); start the agent on one of them, which then opens it",
    ],
  ],
  [
    "with its initializer away, it says how to choose another",
    repositoryOf("offsite"),
    { initializer: hostOf("web-1") },
    [
      "waiting",
      "WaitingForHost",
      "web-1 is to open it and is not connected; start its agent, or name another host in the annotation holdfast.dev/initializer",
    ],
  ],
  ["not tried yet, it is being opened", repositoryOf("offsite"), {}, ["waiting", "Opening", "web-1 is opening it"]],
  [
    "running without a reason, it is being opened",
    tried({ phase: "Running" }),
    {},
    ["waiting", "Opening", "web-1 is opening it"],
  ],
  [
    "unreachable shows while restic still tries",
    tried({ phase: "Running", reason: "RepositoryUnreachable", message: "connection refused" }),
    {},
    ["waiting", "RepositoryUnreachable", "connection refused (tried from web-1)"],
  ],
  [
    "a wrong password is for the user to mend",
    tried({ phase: "Failed", reason: "WrongPassword", message: "the password opens no key" }),
    {},
    ["stalled", "WrongPassword", "the password opens no key (tried from web-1)"],
  ],
  [
    "a failure of an earlier spec is forgotten",
    tried({ phase: "Failed", reason: "WrongPassword", message: "no", observedGeneration: 0 }),
    {},
    ["waiting", "Opening", "web-1 is opening it"],
  ],
  [
    "a changed spec is opened again",
    readyRepository("offsite", { generation: 2 }),
    {},
    ["waiting", "Opening", "web-1 is opening it"],
  ],
])("%s", (_, repository, around, [state, reason, message]) => {
  expect(repositoryReadiness(repository, { ...calm, ...around })).toEqual({ state, reason, message });
});
