import { describe, expect, test } from "vitest";
import type { Condition } from "#crds/meta.ts";
import type { EventNote } from "../../kube/events.ts";
import { at, NOON, policyOf, RESTIC_ID, repositoryOf, restoreOf, runOf, tokenOf } from "../fixtures.ts";
import { overdueEvent, requestEvent } from "./policies.ts";
import { readinessEvent, type Standing } from "./readiness.ts";
import { pinnedEvent } from "./repositories.ts";
import { restoreEvent } from "./restores.ts";
import { runEvent, type Until } from "./runs.ts";
import { enrolledEvent } from "./tokens.ts";

/** As kubectl shows it. */
const line = (event: EventNote | undefined) => event && `${event.type} ${event.reason} (${event.action}) ${event.note}`;
const ready = (status: Condition["status"], reason: string, message = ""): Condition => ({
  type: "Ready",
  status,
  reason,
  message,
  lastTransitionTime: at(NOON),
});

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
  ])("%s", (_, standing, want) => expect(line(readinessEvent({ name: "x", ...standing }))).toBe(want));
});

describe("of runs is told", () => {
  const ended = (
    phase: "Succeeded" | "Failed" | "PartiallyFailed" | "Skipped" | "Cancelled",
    reason: string,
    message = "",
  ) => runOf("www-web-1-x", { status: { phase, reason, message } });
  const well: Until = { lastPhase: "Succeeded", lastSuccess: at(NOON) };
  test.each<[string, Parameters<typeof runEvent>[0], Until, string | undefined]>([
    [
      "a failure, its cause, the last success and where to look",
      ended("Failed", "WrongPassword", "the password opens no key; correct Secret offsite-password"),
      well,
      "Warning BackupFailed (Backup) The backup www of web-1 failed. WrongPassword: the password opens no key; correct Secret offsite-password. It last succeeded at 2026-11-21T12:00:00Z; kubectl describe backuprun www-web-1-x says more.",
    ],
    [
      "a failure of what has never worked",
      ended("Failed", "Timeout"),
      { lastPhase: undefined, lastSuccess: undefined },
      "Warning BackupFailed (Backup) The backup www of web-1 failed. Timeout. It has never succeeded; kubectl describe backuprun www-web-1-x says more.",
    ],
    [
      "a backup without some of its files",
      ended("PartiallyFailed", "UnreadFiles", "3 files could not be read, first /srv/x."),
      well,
      "Warning BackupIncomplete (Backup) The backup www of web-1 left files out. UnreadFiles: 3 files could not be read, first /srv/x. It last succeeded at 2026-11-21T12:00:00Z; kubectl describe backuprun www-web-1-x says more.",
    ],
    [
      "a slot that found the run before it active",
      ended("Skipped", "Overlap", "www-web-1-w was still active"),
      well,
      "Warning BackupSkipped (Backup) The backup www of web-1 was skipped. Overlap: www-web-1-w was still active. It last succeeded at 2026-11-21T12:00:00Z; kubectl describe backuprun www-web-1-x says more.",
    ],
    [
      "the first success after failures",
      ended("Succeeded", "Completed"),
      { lastPhase: "Failed", lastSuccess: at(NOON) },
      "Normal BackupRecovered (Backup) The backup www of web-1 has succeeded again, after none since 2026-11-21T12:00:00Z (BackupRun www-web-1-x).",
    ],
    [
      "the first success of all after failures",
      ended("Succeeded", "Completed"),
      { lastPhase: "PartiallyFailed", lastSuccess: undefined },
      "Normal BackupRecovered (Backup) The backup www of web-1 has succeeded again, for the first time (BackupRun www-web-1-x).",
    ],
    ["not an ordinary success", ended("Succeeded", "Completed"), well, undefined],
    [
      "not the first run of a new policy",
      ended("Succeeded", "Completed"),
      { lastPhase: undefined, lastSuccess: undefined },
      undefined,
    ],
    ["not that somebody cancelled one", ended("Cancelled", "Cancelled"), well, undefined],
    ["not one that goes on", runOf("r", { status: { phase: "Running" } }), well, undefined],
    [
      "not a rehearsal",
      { ...ended("Failed", "PathMissing"), spec: { ...ended("Failed", "").spec, overrides: { dryRun: true } } },
      well,
      undefined,
    ],
  ])("%s", (_, run, until, want) => expect(line(runEvent(run, until))).toBe(want));

  test("each cause as an Event of its own, so that one is not counted as another", () => {
    expect(runEvent(ended("Failed", "Timeout"), well)?.cause).toBe("Timeout");
  });
});

describe("of restores is told every end:", () => {
  const restored = { files: 512, filesSkipped: 0, bytes: 5000, bytesSkipped: 0, errors: 0 };
  test.each<[Parameters<typeof restoreOf>[1], string | undefined]>([
    [
      {
        status: {
          phase: "Succeeded",
          reason: "Completed",
          snapshotID: RESTIC_ID,
          restored,
          display: { result: "4.9 KiB in 3s" },
        },
      },
      "Normal RestoreSucceeded (Restore) The restore r of snapshot 5f5f5f5f to /var/lib/holdfast/restore/www on web-1 is done, 512 files, 4.9 KiB in 3s.",
    ],
    [
      {
        status: {
          phase: "PartiallyFailed",
          reason: "UnreadFiles",
          message: "6 files could not be written.",
          snapshotID: RESTIC_ID,
          restored,
        },
      },
      "Warning RestoreIncomplete (Restore) The restore r of snapshot 5f5f5f5f to /var/lib/holdfast/restore/www on web-1 left files out: UnreadFiles: 6 files could not be written. What was written before stays.",
    ],
    [
      { status: { phase: "Failed", reason: "SnapshotNotFound", message: "no snapshot of policy www and host web-1" } },
      "Warning RestoreFailed (Restore) The restore r to /var/lib/holdfast/restore/www on web-1 failed: SnapshotNotFound: no snapshot of policy www and host web-1.",
    ],
    [
      { status: { phase: "Cancelled", reason: "Cancelled" } },
      "Normal RestoreCancelled (Restore) The restore r to /var/lib/holdfast/restore/www on web-1 was cancelled: Cancelled.",
    ],
    [{ status: { phase: "Running" } }, undefined],
  ])("%#", (parts, want) => expect(line(restoreEvent(restoreOf("r", parts)))).toBe(want));
});

describe("of policies is told", () => {
  const overdue = (count: number, ...hosts: string[]) =>
    policyOf("laptops", {
      status: { hosts: { selected: 5, overdue: count }, failing: hosts.map((host) => ({ host, reason: "Overdue" })) },
    });
  test.each([
    [
      "that hosts missed their slots, which and what to look at",
      overdue(0),
      overdue(2, "l-1", "l-2"),
      "Warning BackupsOverdue (Backup) 2 of 5 hosts of BackupPolicy laptops have had no success for more than two intervals of its schedule (l-1, l-2). Look whether their agents run: kubectl describe host l-1",
    ],
    [
      "how many, where none of them is among the twenty that are named",
      undefined,
      overdue(1),
      "Warning BackupsOverdue (Backup) 1 of 5 hosts of BackupPolicy laptops have had no success for more than two intervals of its schedule. Look whether their agents run: kubectl get hosts",
    ],
    [
      "that the last of them caught up",
      overdue(2),
      overdue(0),
      "Normal BackupsOnTime (Backup) No host of BackupPolicy laptops is overdue any more.",
    ],
    ["not that some of them did", overdue(2), overdue(1), undefined],
    ["not that all is as it was", overdue(2), overdue(2), undefined],
  ])("%s", (_, before, after, want) => expect(line(overdueEvent(before, after))).toBe(want));

  const asking = (value: string | undefined) =>
    policyOf("www", value === undefined ? {} : { annotations: { "holdfast.dev/run-requested-at": value } });
  test("a request that cannot be one, once", () => {
    const refused =
      'Warning RunRequestRefused (StartRuns) annotation holdfast.dev/run-requested-at must be 1 to 253 printable ASCII characters, for example the time: "$(date -Is)"; nothing was started';
    expect(line(requestEvent(asking("ok"), asking("né")))).toBe(refused);
    expect(line(requestEvent(undefined, asking("")))).toBe(refused);
    expect(requestEvent(asking("né"), asking("né"))).toBeUndefined();
    expect(requestEvent(asking("né"), asking("now"))).toBeUndefined();
  });
});

describe("of tokens and repositories is told", () => {
  const used = (uses: number, ...names: string[]) =>
    tokenOf("fleet", {
      spec: { maxUses: 3 },
      status: { uses, hosts: names.map((name) => ({ name, credentialHash: "h", time: at(NOON) })) },
    });
  test.each([
    [
      "who enrolled and how many more may",
      used(1, "web-1"),
      used(2, "web-1", "web-2"),
      "Normal Enrolled (Enrol) Host web-2 enrolled with EnrollmentToken fleet; 1 of 3 uses are left. If you do not know of it, revoke the Host.",
    ],
    [
      "that nobody else may",
      used(2, "web-1", "web-2"),
      used(3, "web-1", "web-2", "web-3"),
      "Normal TokenUsedUp (Enrol) Host web-3 enrolled with EnrollmentToken fleet; it is used up, create another one for further machines. If you do not know of it, revoke the Host.",
    ],
    ["nothing where nobody did", used(1, "web-1"), used(1, "web-1"), undefined],
  ])("%s", (_, before, after, want) => expect(line(enrolledEvent(before, after))).toBe(want));

  test("which repository it is from now on", () => {
    const opened = (created: boolean) =>
      repositoryOf("offsite", { status: { repositoryID: RESTIC_ID, lastOpen: { hostRef: "web-1", created } } });
    const keep = "Keep a copy of its password elsewhere: without it nothing can be restored.";
    expect([true, false].map((created) => line(pinnedEvent(repositoryOf("offsite"), opened(created))))).toEqual([
      `Normal Pinned (Open) web-1 created the repository 5f5f5f5f, whose id is pinned now. ${keep}`,
      `Normal Pinned (Open) web-1 found the repository 5f5f5f5f, whose id is pinned now. ${keep}`,
    ]);
    expect(pinnedEvent(opened(true), opened(true))).toBeUndefined();
  });
});
