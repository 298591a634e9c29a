import { describe, expect, test } from "vitest";
import {
  at,
  condition,
  NOON,
  policyOf,
  RESTIC_ID,
  repositoryOf,
  restoreOf,
  runOf,
  tokenOf,
  told,
} from "../fixtures.ts";
import { overdueEvent, requestEvent } from "./policies.ts";
import { pinnedEvent } from "./repositories.ts";
import { restoreEvent } from "./restores.ts";
import { runEvent, type Until } from "./runs.ts";
import { enrolledEvent } from "./tokens.ts";

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
  ])("%s", (_, run, until, want) => expect(told(runEvent(run, until))).toBe(want));

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
          message:
            "512 files and folders, 4.9 KiB restored; 3 files were there already and were kept (overwrite: Never)",
          restored,
        },
      },
      "Normal RestoreSucceeded (Restore) The restore r of snapshot 5f5f5f5f to /var/lib/holdfast/restore/www on web-1 is done: 512 files and folders, 4.9 KiB restored; 3 files were there already and were kept (overwrite: Never).",
    ],
    [
      {
        spec: { dryRun: true },
        status: {
          phase: "Succeeded",
          reason: "Completed",
          snapshotID: RESTIC_ID,
          message: "dry run, nothing was written: 512 files and folders, 4.9 KiB would be",
          restored,
        },
      },
      "Normal RestoreSucceeded (Restore) The dry run of the restore r of snapshot 5f5f5f5f to /var/lib/holdfast/restore/www on web-1 is done: dry run, nothing was written: 512 files and folders, 4.9 KiB would be.",
    ],
    [
      {
        spec: { dryRun: true },
        status: { phase: "Failed", reason: "Timeout", message: "stopped", snapshotID: RESTIC_ID, restored },
      },
      "Warning RestoreFailed (Restore) The dry run of the restore r of snapshot 5f5f5f5f to /var/lib/holdfast/restore/www on web-1 failed: Timeout: stopped.",
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
  ])("%#", (parts, want) => expect(told(restoreEvent(restoreOf("r", parts)))).toBe(want));
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
      "Warning BackupsOverdue (Backup) 2 of 5 hosts of BackupPolicy laptops have had no success in the last two slots of its schedule (l-1, l-2). Look whether their agents run: kubectl describe host l-1",
    ],
    [
      "what keeps the whole policy from working, rather than that its agents are at fault",
      undefined,
      policyOf("laptops", {
        status: {
          hosts: { selected: 5, overdue: 5 },
          conditions: [
            condition("Ready", "False", "RepositoryNotFound", "there is no Repository offsite in this namespace"),
          ],
        },
      }),
      "Warning BackupsOverdue (Backup) 5 of 5 hosts of BackupPolicy laptops have had no success in the last two slots of its schedule. It is not ready: there is no Repository offsite in this namespace",
    ],
    [
      "how many, where none of them is among the twenty that are named",
      undefined,
      overdue(1),
      "Warning BackupsOverdue (Backup) 1 of 5 hosts of BackupPolicy laptops have had no success in the last two slots of its schedule. Look whether their agents run: kubectl get hosts",
    ],
    [
      "that the last of them caught up",
      overdue(2),
      overdue(0),
      "Normal BackupsOnTime (Backup) No host of BackupPolicy laptops is overdue any more.",
    ],
    ["not that some of them did", overdue(2), overdue(1), undefined],
    ["not that all is as it was", overdue(2), overdue(2), undefined],
  ])("%s", (_, before, after, want) => expect(told(overdueEvent(before, after))).toBe(want));

  const asking = (value: string | undefined) =>
    policyOf("www", value === undefined ? {} : { annotations: { "holdfast.dev/run-requested-at": value } });
  test("a request that cannot be one, once", () => {
    const refused =
      'Warning RunRequestRefused (StartRuns) annotation holdfast.dev/run-requested-at must be 1 to 253 printable ASCII characters, for example the time: "$(date +%s)"; nothing was started';
    expect(told(requestEvent(asking("ok"), asking("né")))).toBe(refused);
    expect(told(requestEvent(undefined, asking("")))).toBe(refused);
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
  ])("%s", (_, before, after, want) => expect(told(enrolledEvent(before, after))).toBe(want));

  test("which repository it is from now on", () => {
    const opened = (created: boolean) =>
      repositoryOf("offsite", { status: { repositoryID: RESTIC_ID, lastOpen: { hostRef: "web-1", created } } });
    const keep = "Keep a copy of its password elsewhere: without it nothing can be restored.";
    expect([true, false].map((created) => told(pinnedEvent(repositoryOf("offsite"), opened(created))))).toEqual([
      `Normal Pinned (Open) web-1 created the repository 5f5f5f5f, whose id is pinned now. ${keep}`,
      `Normal Pinned (Open) web-1 found the repository 5f5f5f5f, whose id is pinned now. ${keep}`,
    ]);
    expect(pinnedEvent(opened(true), opened(true))).toBeUndefined();
  });
});
