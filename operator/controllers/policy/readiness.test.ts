import { expect, test } from "vitest";
import type { BackupPolicySpec } from "#crds/backuppolicy.ts";
import { condition, connectedHost, policyOf, readyRepository, repositoryOf } from "../fixtures.ts";
import { policyReadiness, type Resolution } from "./readiness.ts";

const good: Resolution = { hosts: [connectedHost("web-1")], unknownHosts: [], repository: readyRepository("offsite") };
const none =
  "; enrol one with an EnrollmentToken (its spec.hostLabels become the Host's labels), or label a Host with kubectl label";

test.each<[string, Partial<BackupPolicySpec>, Partial<Resolution>, [string, string, string]]>([
  ["all there, it is ready", {}, {}, ["ready", "Ready", "selects 1 host"]],
  ["hosts are counted", {}, { hosts: [connectedHost("a"), connectedHost("b")] }, ["ready", "Ready", "selects 2 hosts"]],
  [
    "a suspended one is ready and says that its schedule is not kept",
    { schedule: "0 2 * * *", suspend: true },
    { hosts: [connectedHost("a"), connectedHost("b")] },
    [
      "ready",
      "Suspended",
      "selects 2 hosts; its schedule is suspended, manual runs still work; set spec.suspend to false to resume it",
    ],
  ],
  [
    "what is wrong with a suspended one comes first",
    { suspend: true },
    { repository: undefined },
    [
      "waiting",
      "RepositoryNotFound",
      "there is no Repository offsite in this namespace; create it, or correct spec.repository.name",
    ],
  ],
  [
    "an unknown time zone is for the user to mend",
    { schedule: "0 2 * * *", timeZone: "Europe/Berlinn" },
    {},
    [
      "stalled",
      "InvalidSchedule",
      'timeZone "Europe/Berlinn" is not known: write an IANA name such as "Europe/Berlin" or "UTC"',
    ],
  ],
  [
    "a date that never comes is for the user to mend",
    { schedule: "0 0 31 2 *" },
    {},
    [
      "stalled",
      "InvalidSchedule",
      'schedule "0 0 31 2 *" never happens, there is no such date: correct the day of month or the month',
    ],
  ],
  [
    "a time zone without a schedule does not matter",
    { timeZone: "Europe/Berlinn" },
    {},
    ["ready", "Ready", "selects 1 host"],
  ],
  [
    "unknown host names are listed, and the hosts that are served nonetheless",
    { hosts: { names: ["web-1", "wbe-2"] } },
    { unknownHosts: ["wbe-2"] },
    [
      "waiting",
      "HostsNotFound",
      "there is no Host wbe-2 (spec.hosts.names); correct the name, or enrol it with an EnrollmentToken; served all the same: web-1",
    ],
  ],
  [
    "where all host names are unknown nobody is said to be served",
    { hosts: { names: ["wbe-2"] } },
    { hosts: [], unknownHosts: ["wbe-2"] },
    [
      "waiting",
      "HostsNotFound",
      "there is no Host wbe-2 (spec.hosts.names); correct the name, or enrol it with an EnrollmentToken",
    ],
  ],
  [
    "nor where there is no Repository to serve them from",
    { hosts: { names: ["web-1", "wbe-2"] } },
    { unknownHosts: ["wbe-2"], repository: undefined },
    [
      "waiting",
      "HostsNotFound",
      "there is no Host wbe-2 (spec.hosts.names); correct the name, or enrol it with an EnrollmentToken",
    ],
  ],
  [
    "labels nobody has are named",
    { hosts: { selector: { matchLabels: { role: "web" } } } },
    { hosts: [] },
    ["waiting", "NoHosts", `no Host has role=web${none}`],
  ],
  [
    "expressions nobody fulfils are named",
    { hosts: { selector: { matchExpressions: [{ key: "zone", operator: "In", values: ["a", "b"] }] } } },
    { hosts: [] },
    ["waiting", "NoHosts", `no Host has zone In a, b${none}`],
  ],
  [
    "a namespace without hosts is named as such",
    {},
    { hosts: [] },
    ["waiting", "NoHosts", `there is no Host in this namespace${none}`],
  ],
  [
    "names that are all revoked are named as such",
    { hosts: { names: ["web-1"] } },
    { hosts: [] },
    ["waiting", "NoHosts", "all hosts in spec.hosts.names are revoked; name others"],
  ],
  [
    "a missing Repository is named",
    {},
    { repository: undefined },
    [
      "waiting",
      "RepositoryNotFound",
      "there is no Repository offsite in this namespace; create it, or correct spec.repository.name",
    ],
  ],
  [
    "a Repository that is not ready gives its own reason",
    {},
    {
      repository: repositoryOf("offsite", {
        status: { conditions: [condition("Ready", "False", "WrongPassword", "the password opens no key")] },
      }),
    },
    ["waiting", "RepositoryNotReady", "Repository offsite is not ready (WrongPassword): the password opens no key"],
  ],
  [
    "a Repository nobody has looked at yet is waited for",
    {},
    { repository: repositoryOf("offsite") },
    ["waiting", "RepositoryNotReady", "Repository offsite is not ready (Opening): it was just created"],
  ],
])("%s", (_, spec, resolution, [state, reason, message]) => {
  expect(policyReadiness(policyOf("www", { spec }), { ...good, ...resolution })).toEqual({ state, reason, message });
});
