import { describe, expect, test } from "vitest";
import type { Condition } from "#crds/meta.ts";
import { condition, told } from "../fixtures.ts";
import { ReadinessEvents, type Standing } from "./readiness.ts";

const ready = (status: Condition["status"], reason: string, message?: string) =>
  condition("Ready", status, reason, message);

describe("of Ready is told", () => {
  const away = ready("False", "Disconnected", "the agent has been away since 11:58. Look at its log on the host");
  const wrong = ready("False", "WrongPassword", "the password opens no key; correct it (tried from web-1)");
  const connected = ready("True", "Connected");
  test.each<[string, Omit<Standing, "name">, string | undefined]>([
    [
      "a host that has gone",
      { kind: "Host", before: connected, after: away },
      "Warning Disconnected (Connect) Host x is no longer ready: the agent has been away since 11:58. Look at its log on the host",
    ],
    [
      "a host whose replica stopped and that has not come back",
      { kind: "Host", before: connected, after: ready("False", "ReplicaGone", "operator replica op-1 stopped") },
      "Warning ReplicaGone (Connect) Host x is no longer ready: operator replica op-1 stopped",
    ],
    [
      "a host that is back, and since when it was not there",
      { kind: "Host", before: away, after: connected },
      "Normal Recovered (Connect) Host x is ready again. It was not since 2026-11-21T12:00:00Z (Disconnected).",
    ],
    [
      "a host whose results Kubernetes refuses",
      {
        kind: "Host",
        before: connected,
        after: ready("False", "ResultsRejected", "Kubernetes refused 1 of its results"),
      },
      "Warning ResultsRejected (Connect) Host x is no longer ready: Kubernetes refused 1 of its results",
    ],
    [
      "a host with more policies than fit",
      { kind: "Host", before: connected, after: ready("False", "ConfigTooLarge", "let fewer policies select it") },
      "Warning ConfigTooLarge (Connect) Host x is no longer ready: let fewer policies select it",
    ],
    [
      "a host that somebody has revoked, which is no trouble",
      { kind: "Host", before: connected, after: ready("False", "Revoked", "x was revoked") },
      "Normal Revoked (Connect) Host x is no longer ready: x was revoked",
    ],
    [
      "not the second machine: that is told when it shows itself",
      { kind: "Host", before: connected, after: ready("False", "IdentityConflict") },
      undefined,
    ],
    [
      "not that a machine took its place, which is over in a moment: the EnrollmentToken tells it",
      { kind: "Host", before: connected, after: ready("False", "Reenrolled") },
      undefined,
    ],
    [
      "nor that its agent has come then",
      { kind: "Host", before: ready("False", "Reenrolled"), after: connected },
      undefined,
    ],
    [
      "the end of that, however",
      { kind: "Host", before: ready("False", "IdentityConflict"), after: connected },
      "Normal Recovered (Connect) Host x is ready again. It was not since 2026-11-21T12:00:00Z (IdentityConflict).",
    ],
    [
      "not that a new host waits for its agent",
      { kind: "Host", before: undefined, after: ready("False", "NeverConnected") },
      undefined,
    ],
    ["not that this has come", { kind: "Host", before: ready("False", "NeverConnected"), after: connected }, undefined],
    [
      "not that a host was paused: its author knows",
      { kind: "Host", before: connected, after: ready("True", "Paused") },
      undefined,
    ],
    [
      "a repository that never could be opened",
      { kind: "Repository", before: ready("False", "Opening"), after: wrong },
      "Warning WrongPassword (Open) Repository x is not ready (since 2026-11-21T12:00:00Z): the password opens no key; correct it (tried from web-1)",
    ],
    [
      "a repository of which something else is wrong now",
      {
        kind: "Repository",
        before: wrong,
        after: ready("False", "RepositoryUnreachable", "no route to backup.example.com"),
      },
      "Warning RepositoryUnreachable (Open) Repository x is not ready (since 2026-11-21T12:00:00Z): no route to backup.example.com",
    ],
    [
      "not the same thing in other words",
      { kind: "Repository", before: wrong, after: { ...wrong, message: "tried from web-2" } },
      undefined,
    ],
    [
      "not that it is being opened",
      { kind: "Repository", before: ready("True", "Opened"), after: ready("False", "Opening") },
      undefined,
    ],
    [
      "a policy that only its author can mend",
      {
        kind: "BackupPolicy",
        before: undefined,
        after: ready("False", "InvalidSchedule", 'schedule "0 0 31 2 *" never happens'),
      },
      'Warning InvalidSchedule (Resolve) BackupPolicy x is not ready: schedule "0 0 31 2 *" never happens',
    ],
    [
      "not that a new policy waits for its hosts",
      { kind: "BackupPolicy", before: undefined, after: ready("False", "NoHosts") },
      undefined,
    ],
    [
      "a policy that has lost its hosts",
      {
        kind: "BackupPolicy",
        before: ready("True", "Ready"),
        after: ready("False", "NoHosts", "no Host has role=web"),
      },
      "Warning NoHosts (Resolve) BackupPolicy x is no longer ready: no Host has role=web",
    ],
    [
      "not the trouble of its repository a second time",
      { kind: "BackupPolicy", before: ready("True", "Ready"), after: ready("False", "RepositoryNotReady") },
      undefined,
    ],
    [
      "a token that nobody used in time",
      {
        kind: "EnrollmentToken",
        before: ready("True", "Usable"),
        after: ready("False", "Expired", "expired 1h after its creation"),
      },
      "Normal Expired (Enrol) EnrollmentToken x is no longer ready: expired 1h after its creation",
    ],
    [
      "a token whose Secret cannot be made",
      {
        kind: "EnrollmentToken",
        before: undefined,
        after: ready("False", "SecretExists", "delete Secret holdfast-token-x"),
      },
      "Warning SecretExists (Enrol) EnrollmentToken x is not ready: delete Secret holdfast-token-x",
    ],
    ["nothing of an object without a status", { kind: "Host", before: connected, after: undefined }, undefined],
  ])("%s", (_, standing, want) => {
    expect(told(new ReadinessEvents().of("uid", { name: "x", ...standing }))).toBe(want);
  });

  const opening = ready("False", "Opening");
  const opened = ready("True", "Opened");
  const noHosts = ready("False", "NoHosts", "no Host has role=web");
  test.each<[string, Standing["kind"], Condition[], string[]]>([
    [
      "the recovery of a repository that is opened in between, and that it was ready before",
      "Repository",
      [opened, opening, wrong, opening, opening, opened, opening, opened],
      [
        "Warning WrongPassword (Open) Repository x is no longer ready: the password opens no key; correct it (tried from web-1)",
        "Normal Recovered (Open) Repository x is ready again. It was not since 2026-11-21T12:00:00Z (WrongPassword).",
      ],
    ],
    [
      "the recovery of a policy from what was told of it, not from what was told of its repository",
      "BackupPolicy",
      [
        opened,
        noHosts,
        noHosts,
        ready("False", "RepositoryNotReady"),
        opened,
        ready("False", "RepositoryNotReady"),
        opened,
      ],
      [
        "Warning NoHosts (Resolve) BackupPolicy x is no longer ready: no Host has role=web",
        "Normal Recovered (Resolve) BackupPolicy x is ready again. It was not since 2026-11-21T12:00:00Z (NoHosts).",
      ],
    ],
    ["nothing of the first way to being ready", "Repository", [ready("False", "WaitingForHost"), opening, opened], []],
  ])("%s", (_, kind, conditions, want) => {
    const events = new ReadinessEvents();
    const all = conditions.map((after, index) =>
      told(events.of("uid", { kind, name: "x", before: conditions[index - 1], after })),
    );
    expect(all.filter((each) => each !== undefined)).toEqual(want);
  });
});
