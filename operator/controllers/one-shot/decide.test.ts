import { describe, expect, test } from "vitest";
import type { Host } from "#crds/host.ts";
import { connectedHost, hostOf, lostHost, NOON } from "../fixtures.ts";
import { decide, type Obstacle, type OneShot, type Verdict } from "./decide.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const pending: OneShot = {
  phase: "Pending",
  reason: "",
  message: "",
  createdAt: NOON,
  startedAt: undefined,
  startingDeadlineMs: HOUR,
  timeoutMs: 2 * HOUR,
  cancel: false,
  commanded: true,
};
const running: OneShot = { ...pending, phase: "Running", startedAt: NOON };
const missing: Obstacle = { final: true, reason: "PolicyNotFound", message: "there is no BackupPolicy www" };
const opening: Obstacle = { final: false, reason: "RepositoryNotReady", message: "Repository offsite is not ready" };
const online = connectedHost("web-1");
const away = lostHost("web-1", NOON);

const unanswered = {
  phase: "Pending",
  reason: "",
  message: "the agent on web-1 is connected and has not begun it yet; kubectl describe host web-1 may say why",
} as const;

interface Case {
  one: OneShot;
  host?: Host;
  obstacle?: Obstacle;
  after: number;
}

function verdict({ one, host, obstacle, after }: Case): Verdict {
  return decide(one, "web-1", host, obstacle, NOON + after);
}

describe("before an agent has it", () => {
  test.each<[string, Case, Verdict]>([
    [
      "a connected host gets it and nothing is written",
      { one: pending, host: online, after: 0 },
      { requeueAfterMs: 30_000 },
    ],
    [
      "what is missing may still come with the next resource of the same apply",
      { one: pending, host: online, obstacle: missing, after: 1000 },
      { requeueAfterMs: 4000 },
    ],
    [
      "what is still missing then ends it",
      { one: pending, host: online, obstacle: missing, after: 5000 },
      { state: { phase: "Failed", reason: "PolicyNotFound", message: "there is no BackupPolicy www" } },
    ],
    [
      "a repository that is being opened is waited for, until the deadline",
      { one: pending, host: online, obstacle: opening, after: MINUTE },
      {
        state: { phase: "Pending", reason: "RepositoryNotReady", message: "Repository offsite is not ready" },
        requeueAfterMs: 59 * MINUTE,
      },
    ],
    [
      "waiting is written once",
      {
        one: { ...pending, reason: "RepositoryNotReady", message: "Repository offsite is not ready" },
        host: online,
        obstacle: opening,
        after: 2 * MINUTE,
      },
      { requeueAfterMs: 58 * MINUTE },
    ],
    [
      "a host that is away is waited for",
      { one: pending, host: away, after: MINUTE },
      {
        state: {
          phase: "Pending",
          reason: "HostOffline",
          message: "the agent on web-1 is not connected; it starts when the host is back",
        },
        requeueAfterMs: 59 * MINUTE,
      },
    ],
    [
      "a host that never connected says what to run there",
      { one: pending, host: hostOf("web-1"), after: MINUTE },
      {
        state: {
          phase: "Pending",
          reason: "HostOffline",
          message: "no agent of web-1 has connected yet; run the install command of an EnrollmentToken on the machine",
        },
        requeueAfterMs: 59 * MINUTE,
      },
    ],
    [
      "at the deadline it fails and says what it waited for",
      { one: pending, host: away, after: HOUR },
      {
        state: {
          phase: "Failed",
          reason: "DeadlineExceeded",
          message: "it could not start within startingDeadlineSeconds (3600 s): the agent on web-1 is not connected",
        },
      },
    ],
    [
      "an agent that does not answer shows after half a minute",
      { one: pending, host: online, after: 30_000 },
      { state: unanswered, requeueAfterMs: HOUR + MINUTE - 30_000 },
    ],
    [
      "half a minute after it connected, where that was later than the run",
      { one: { ...pending, createdAt: NOON - MINUTE }, host: online, after: 1000 },
      { requeueAfterMs: 29_000 },
    ],
    [
      "a connected agent may answer a little after the deadline",
      { one: { ...pending, message: unanswered.message }, host: online, after: HOUR },
      { requeueAfterMs: MINUTE },
    ],
    [
      "cancelled while the host is away, it ends at once",
      { one: { ...pending, cancel: true }, host: away, after: 0 },
      { state: { phase: "Cancelled", reason: "Cancelled", message: "cancelled before an agent had it" } },
    ],
    [
      "cancelled while the host is connected, its agent answers",
      { one: { ...pending, cancel: true }, host: online, after: 0 },
      { requeueAfterMs: 30_000 },
    ],
  ])("%s", (_, given, want) => expect(verdict(given)).toEqual(want));
});

describe("after an agent had it", () => {
  test.each<[string, Case, Verdict]>([
    [
      "a connected agent speaks for itself",
      { one: running, host: online, after: MINUTE },
      { requeueAfterMs: 3 * HOUR - MINUTE },
    ],
    ["a blip changes nothing", { one: running, host: away, after: 4 * MINUTE }, { requeueAfterMs: MINUTE }],
    [
      "out of reach for five minutes, nobody knows",
      { one: running, host: away, after: 5 * MINUTE },
      {
        state: {
          phase: "Unknown",
          reason: "HostOffline",
          message:
            "web-1 has been out of reach since 2026-11-21T12:00:00.000Z; its agent goes on by itself and reports when it is back",
        },
        requeueAfterMs: 3 * HOUR - 5 * MINUTE,
      },
    ],
    [
      "a report that was only just created is not Unknown because its host was away before",
      { one: { ...pending, commanded: false }, host: lostHost("web-1", NOON - HOUR), after: 1000 },
      { requeueAfterMs: 5 * MINUTE - 1000 },
    ],
    [
      "an hour after the timeout it is lost",
      { one: { ...running, phase: "Unknown" }, host: away, after: 3 * HOUR },
      {
        state: {
          phase: "Failed",
          reason: "Lost",
          message: "web-1 has told no result for an hour after the timeout; if one comes, it will stand here",
        },
      },
    ],
    [
      "a scheduled run whose first status was never written is lost like any other",
      { one: { ...pending, commanded: false }, host: away, after: 4 * HOUR },
      {
        state: {
          phase: "Failed",
          reason: "Lost",
          message: "web-1 has told no result for an hour after the timeout; if one comes, it will stand here",
        },
      },
    ],
    [
      "with its Host deleted, it is lost at once",
      { one: running, after: MINUTE },
      {
        state: { phase: "Failed", reason: "Lost", message: "Host web-1 was deleted before its agent told the result" },
      },
    ],
    ["what has ended stays", { one: { ...running, phase: "Succeeded" }, host: away, after: 9 * HOUR }, {}],
    [
      "cancelled while the host is away, it waits for the agent's word",
      { one: { ...running, cancel: true }, host: away, after: MINUTE },
      { requeueAfterMs: 4 * MINUTE },
    ],
  ])("%s", (_, given, want) => expect(verdict(given)).toEqual(want));
});
