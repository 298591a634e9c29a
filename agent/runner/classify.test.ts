import { describe, expect, test } from "vitest";
import { classify, type Ending, mayPass, retryDelayMs } from "./classify.ts";

const ending = (exitCode: number, change: Partial<Ending> = {}): Ending => ({
  exitCode,
  errors: [],
  timeout: "1m (timeout of BackupPolicy www)",
  failedFiles: { count: 0, first: [] },
  repositoryKnown: true,
  ...change,
});
const REFUSED = 'Stat(<config/>): Head "http://host/config": dial tcp 127.0.0.1:1: connect: connection refused';

describe("how restic ended", () => {
  test.each<[string, Ending, string, string]>([
    ["0 is success", ending(0), "Succeeded", "Completed"],
    ["0 after a cancel that came too late is success", ending(0, { stopped: "Cancelled" }), "Succeeded", "Completed"],
    [
      "3 is a snapshot without some files",
      ending(3, { failedFiles: { count: 2, first: [] } }),
      "PartiallyFailed",
      "UnreadFiles",
    ],
    ["10 of a repository whose id is known is a loss", ending(10), "Failed", "RepositoryMissing"],
    [
      "10 of one that never was is to be initialised",
      ending(10, { repositoryKnown: false }),
      "Failed",
      "RepositoryNotInitialized",
    ],
    ["11 is a lock", ending(11), "Failed", "RepositoryLocked"],
    ["12 is the password", ending(12), "Failed", "WrongPassword"],
    ["130 is Cancelled where it was asked for", ending(130, { stopped: "Cancelled" }), "Cancelled", "Cancelled"],
    ["130 is Timeout where that was the cause", ending(130, { stopped: "Timeout" }), "Failed", "Timeout"],
    ["130 that nobody asked for is a failure", ending(130), "Failed", "ResticFailed"],
    [
      "another repository counts more than a success",
      ending(0, { stopped: "RepositoryMismatch" }),
      "Failed",
      "RepositoryMismatch",
    ],
    ["127 is a missing restic", ending(127), "Failed", "ResticMissing"],
    ["137 is a kill", ending(137), "Failed", "Interrupted"],
    ["2, a panic, is a failure", ending(2), "Failed", "ResticFailed"],
    ["a code of a later restic is a failure", ending(42), "Failed", "ResticFailed"],
    [
      "1 with 401",
      ending(1, { errors: ["unable to open config file: unexpected HTTP response (401): 401 Unauthorized"] }),
      "Failed",
      "RepositoryAccessDenied",
    ],
    [
      "1 with 403",
      ending(1, { errors: ["unexpected HTTP response (403): 403 Forbidden"] }),
      "Failed",
      "RepositoryAccessDenied",
    ],
    [
      "1 with S3's refusal",
      ending(1, { errors: ["client.PutObject: The Access Key Id you provided does not exist: InvalidAccessKeyId"] }),
      "Failed",
      "RepositoryAccessDenied",
    ],
    [
      "1 with 507",
      ending(1, { errors: ["unexpected HTTP response (507): 507 Insufficient Storage"] }),
      "Failed",
      "RepositoryFull",
    ],
    [
      "1 with an unknown authority",
      ending(1, { errors: ["tls: failed to verify certificate: x509: certificate signed by unknown authority"] }),
      "Failed",
      "RepositoryUnreachable",
    ],
    [
      "1 with an expired certificate",
      ending(1, { errors: ["x509: certificate has expired or is not yet valid"] }),
      "Failed",
      "RepositoryUnreachable",
    ],
    ["1 with a refused connection", ending(1, { errors: [REFUSED] }), "Failed", "RepositoryUnreachable"],
    ["1 while it was trying again", ending(1, { retrying: "something new" }), "Failed", "RepositoryUnreachable"],
    [
      "1 with keys but no config",
      ending(1, { errors: ["create key in repository at rest:x failed: repository already contains keys"] }),
      "Failed",
      "RepositoryBroken",
    ],
    [
      "1 with a pattern that cannot be read, which no other try can mend",
      ending(1, { errors: ["--exclude: invalid pattern(s) provided:\n[a"] }),
      "Failed",
      "HostRefused",
    ],
    ["1 without a known cause", ending(1, { errors: ["something else"] }), "Failed", "ResticFailed"],
  ])("%s", (_, given, phase, reason) => {
    expect(classify(given)).toMatchObject({ phase, reason });
  });

  test("says restic's own words where it knows no better", () => {
    expect(classify(ending(1, { errors: ["unable to save snapshot: disk on fire"] })).message).toContain(
      "disk on fire",
    );
    expect(classify(ending(1, { errors: ["x509: certificate has expired"] })).message).toContain(
      "x509: certificate has expired",
    );
  });

  test("a file that could not be read is named, of several the first", () => {
    const files = (count: number) => classify(ending(3, { failedFiles: { count, first: ["/proc/1/environ", "/x"] } }));
    expect(files(1).message).toBe(
      "the snapshot was saved without 1 file that could not be read, first /proc/1/environ: see unreadFiles and the log",
    );
    expect(files(3).message).toContain("without 3 files that could not be read, first /proc/1/environ");
  });

  test("a timeout says how long it was and who sets it", () => {
    expect(classify(ending(130, { stopped: "Timeout" })).message).toBe(
      "stopped after its timeout of 1m (timeout of BackupPolicy www): raise it, or look at what slows it down",
    );
  });

  test("a timeout in front of a dead repository says what it waited for", () => {
    expect(classify(ending(130, { stopped: "Timeout", retrying: "connection refused" })).message).toContain(
      "connection refused",
    );
  });

  test("a message of restic cannot move a cursor or fill a status", () => {
    const { message } = classify(ending(1, { errors: [`\u001b[2J${"x".repeat(5000)}\u202e`] }));
    for (const sign of ["\u001b", "\u202e"]) expect(message).not.toContain(sign);
    expect(message.length).toBeLessThanOrEqual(1024);
  });
});

test("only what can pass by itself is tried again", () => {
  expect(
    ["RepositoryUnreachable", "RepositoryLocked", "ResticFailed"].map((reason) => mayPass(reason as "Lost")),
  ).toEqual([true, true, true]);
  expect(
    ["WrongPassword", "PathMissing", "RepositoryMissing", "HostRefused", "Timeout"].map((reason) =>
      mayPass(reason as "Lost"),
    ),
  ).not.toContain(true);
});

test("the pause between attempts doubles to ten minutes, spread by a fifth", () => {
  expect([2, 3, 4].map((attempt) => retryDelayMs(attempt, 0.5))).toEqual([10_000, 20_000, 40_000]);
  expect(retryDelayMs(50, 0.5)).toBe(600_000);
  expect([retryDelayMs(2, 0), Math.round(retryDelayMs(2, 1))]).toEqual([8_000, 12_000]);
});
