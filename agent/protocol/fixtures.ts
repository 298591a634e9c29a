import type { PolicyPlan } from "./config.ts";
import type { Hello } from "./frames.ts";
import type { RunRecord } from "./record.ts";

/** What tests of both ends speak with: the least that is whole, with the members that matter to a test in `change`. */

export function helloFrame(change: Partial<Hello> = {}): Hello {
  return {
    type: "hello",
    protocol: 1,
    hostUID: "uid",
    bootID: "boot",
    agent: agentFacts(),
    wallTime: new Date().toISOString(),
    highestEpoch: 0,
    config: { policies: [] },
    active: [],
    ...change,
  };
}

export function agentFacts(change: Partial<Hello["agent"]> = {}): Hello["agent"] {
  return {
    version: "0.1.0",
    restic: "0.19.1",
    os: "linux",
    arch: "x64",
    hostname: "web-1",
    kernel: "6.1",
    installedAs: "Process",
    capabilities: [],
    ...change,
  };
}

/** Of a manual run that succeeded at once. */
export function runRecord(change: Partial<RunRecord> = {}): RunRecord {
  return {
    kind: "run",
    uid: "run-1",
    name: "run-1",
    attempt: 1,
    phase: "Succeeded",
    reason: "Completed",
    message: "",
    policy: { uid: "a", name: "a" },
    trigger: "Manual",
    snapshots: [],
    ...change,
  };
}

export function policyPlan(change: Partial<PolicyPlan> = {}): PolicyPlan {
  return {
    uid: "p",
    name: "nightly",
    createdTime: "2026-01-01T00:00:00Z",
    repository: "main",
    files: filesPlan(),
    timeoutMs: 1,
    retries: 0,
    limits: {},
    tags: [],
    restic: { skipIfUnchanged: false },
    ...change,
  };
}

export function filesPlan(change: Partial<PolicyPlan["files"]> = {}): PolicyPlan["files"] {
  return {
    paths: ["/srv"],
    requireMountpoint: false,
    exclude: [],
    excludeIfPresent: [],
    excludeCaches: false,
    oneFileSystem: false,
    ...change,
  };
}
