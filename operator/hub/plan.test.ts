import { describe, expect, test } from "vitest";
import type { BackupPolicy } from "#crds/backuppolicy.ts";
import { config, type RepositoryAccess } from "#protocol/config.ts";
import {
  at,
  condition,
  hostOf,
  NOON,
  policyOf,
  RESTIC_ID,
  readyRepository,
  repositoryOf,
} from "../controllers/fixtures.ts";
import { carriedOut, type PlanInputs, planFor } from "./plan.ts";

const access: RepositoryAccess = {
  uid: "repository-offsite",
  name: "offsite",
  url: "rest:https://backup.example.com/offsite/",
  password: { value: "correct horse" },
  env: { RESTIC_REST_USERNAME: "fleet" },
  repositoryID: RESTIC_ID,
};
type Entry = PlanInputs["policies"][number];
const entry = (parts: Partial<Entry> = {}): Entry => ({
  policy: policyOf("www"),
  repository: readyRepository("offsite"),
  resolved: { access, versions: "v1" },
  ...parts,
});

function planned(policies: readonly Entry[], held: readonly string[] = [], host = hostOf("web-1")) {
  const plan = planFor({ clusterID: "c1", host, policies, held });
  if (!("config" in plan)) throw new Error(plan.message);
  return plan.config;
}

test("a policy is planned whole, with its defaults filled in, as the wire takes it", () => {
  const policy = policyOf("www", {
    spec: {
      schedule: "H 2 * * *",
      timeZone: "Europe/Berlin",
      jitter: "30m",
      startingDeadlineSeconds: 600,
      limits: { uploadKiBps: 100 },
      tags: ["nightly"],
      files: { paths: ["/srv"], exclude: ["*.tmp"], minFiles: 1 },
      restic: { compression: "max" },
    },
  });
  const plan = planned([entry({ policy })], [], hostOf("web-1", { spec: { limits: { downloadKiBps: 5 } } }));
  expect(config.parse(plan)).toEqual(plan);
  expect(plan).toMatchObject({
    clusterID: "c1",
    host: { uid: "host-web-1", namespace: "team", name: "web-1", paused: false, limits: { downloadKiBps: 5 } },
    tombstones: [],
    repositories: [access],
    policies: [
      {
        uid: "policy-www",
        name: "www",
        createdTime: at(NOON),
        repository: "offsite",
        files: {
          paths: ["/srv"],
          minFiles: 1,
          requireMountpoint: false,
          exclude: ["*.tmp"],
          excludeIfPresent: [],
          excludeCaches: false,
          oneFileSystem: false,
        },
        schedule: {
          cron: "H 2 * * *",
          timeZone: "Europe/Berlin",
          jitterMs: 1_800_000,
          suspend: false,
          startingDeadlineMs: 600_000,
        },
        timeoutMs: 86_400_000,
        retries: 2,
        limits: { uploadKiBps: 100 },
        tags: ["nightly"],
        restic: { compression: "max", skipIfUnchanged: false },
      },
    ],
  });
  expect(carriedOut(plan)).toEqual(["policy-www"]);
});

test("every field of a policy's files and restic options reaches the agent", () => {
  // Required, so that a field added to the schema does not compile here before it is planned.
  const files: Required<BackupPolicy["spec"]["files"]> = {
    paths: ["/srv"],
    minFiles: 1,
    requireMountpoint: true,
    exclude: ["*.tmp"],
    excludeIfPresent: [".nobackup"],
    excludeCaches: true,
    excludeLargerThanBytes: 1000,
    oneFileSystem: true,
  };
  const restic: Required<NonNullable<BackupPolicy["spec"]["restic"]>> = {
    compression: "max",
    packSizeMiB: 64,
    readConcurrency: 4,
    skipIfUnchanged: true,
  };
  const policy = policyOf("www", { spec: { files, restic } });
  expect(planned([entry({ policy })]).policies).toMatchObject([{ files, restic }]);
});

describe("a policy that cannot be resolved is kept as the agent has it, and its repository is not sent", () => {
  const duplicate = readyRepository("offsite", {
    status: { conditions: [condition("Ready", "False", "DuplicateRepository")] },
  });
  test.each<[string, Partial<Entry>, string]>([
    ["its Repository is missing", { repository: undefined }, "there is no Repository offsite"],
    [
      "its Repository's id is not pinned yet",
      { repository: repositoryOf("offsite") },
      "Repository offsite was not opened yet",
    ],
    [
      "its Repository is another one's duplicate",
      { repository: duplicate },
      "Repository offsite is another one's duplicate",
    ],
    ["a Secret is missing", { resolved: { problem: "there is no Secret x" } }, "there is no Secret x"],
    ["Secrets cannot be read", { resolved: undefined }, "the Secrets of Repository offsite cannot be read just now"],
    [
      "its schedule is impossible",
      { policy: policyOf("www", { spec: { schedule: "0 0 31 2 *" } }) },
      'schedule "0 0 31 2 *" never happens, there is no such date: correct the day of month or the month',
    ],
    [
      "a path is none",
      { policy: policyOf("www", { spec: { files: { paths: ["srv"] } } }) },
      "the agent could not read files.paths.0 of it",
    ],
  ])("%s", (_, parts, reason) => {
    const plan = planned([entry(parts)]);
    expect(plan.policies).toEqual([{ uid: "policy-www", keepLastApplied: true, reason }]);
    expect(plan.repositories).toEqual([]);
    expect(carriedOut(plan)).toEqual([]);
  });

  test("and the policies beside it are planned all the same", () => {
    const other = entry({ policy: policyOf("db") });
    expect(planned([entry({ resolved: undefined }), other]).policies).toMatchObject([
      { keepLastApplied: true },
      { name: "db" },
    ]);
  });
});

test("what the agent holds and no longer selects it is named by a tombstone", () => {
  expect(planned([entry()], ["policy-www", "policy-old"]).tombstones).toEqual(["policy-old"]);
});

test("one repository of several policies is sent once", () => {
  expect(planned([entry(), entry({ policy: policyOf("db") })]).repositories).toEqual([access]);
});

describe("the id", () => {
  const id = planned([entry()]).id;
  test.each<[string, string, boolean]>([
    ["is the same for the same resources", planned([entry()]).id, true],
    ["does not depend on what the agent holds", planned([entry()], ["policy-old"]).id, true],
    [
      "does not depend on a secret's value",
      planned([entry({ resolved: { access: { ...access, password: { value: "other" } }, versions: "v1" } })]).id,
      true,
    ],
    ["changes with the version of a Secret", planned([entry({ resolved: { access, versions: "v2" } })]).id, false],
    ["changes with the spec", planned([entry({ policy: policyOf("www", { spec: { retries: 3 } }) })]).id, false],
    ["changes when the host is paused", planned([entry()], [], hostOf("web-1", { spec: { paused: true } })).id, false],
  ])("%s", (_, other, same) => expect(other === id).toBe(same));
});

test("more policies than a host carries out are refused with their number", () => {
  const policies = Array.from({ length: 65 }, (_, index) => entry({ policy: policyOf(`p${index}`) }));
  expect(planFor({ clusterID: "c1", host: hostOf("web-1"), policies, held: [] })).toEqual({
    reason: "ConfigTooLarge",
    message: "65 BackupPolicies select web-1, and a host carries out at most 64; it keeps what it has until fewer do",
  });
});
