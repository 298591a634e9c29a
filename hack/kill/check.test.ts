import { describe, expect, test } from "vitest";
import { check } from "./check.ts";
import type { Fault, History, Version } from "./history.ts";

/** A history in which two runs, a slot and a restore went well, on a host that moved once, under two leaders. */
function well(): History {
  return {
    versions: [
      ...host(1, { epoch: 1, replica: "op-a", connectedTime: "t1" }),
      ...lease(2, { holderIdentity: "op-a", acquireTime: at(0), renewTime: at(0), leaseTransitions: 0 }),
      ...run("one", 10, [{ phase: "Running", attempts: 1, startTime: "s" }, succeeded("a")]),
      ...run("slot", 20, [succeeded("b")], { trigger: "Schedule", runID: "slot-id" }),
      ...lease(25, { holderIdentity: "op-a", acquireTime: at(0), renewTime: at(2), leaseTransitions: 0 }),
      ...host(30, { epoch: 1, replica: "op-a", connectedTime: "t1", disconnectedTime: "t2" }),
      ...host(31, { epoch: 2, replica: "op-b", connectedTime: "t3" }),
      ...lease(32, { holderIdentity: "op-b", acquireTime: at(17), renewTime: at(17), leaseTransitions: 1 }),
      ...lease(33, { holderIdentity: "", acquireTime: at(18), renewTime: at(18), leaseTransitions: 1 }),
      ...lease(34, { holderIdentity: "op-c", acquireTime: at(19), renewTime: at(19), leaseTransitions: 2 }),
      version("restores", "back", 40, { spec: {}, status: { phase: "Succeeded", reason: "Completed", attempts: 1 } }),
      { revision: 50, plural: "backupruns", name: "slot" },
    ],
    faults: [],
    starts: [start("one-uid"), start("slot-id"), start("back-uid", 1, "restore-1")],
    snapshots: [snapshot("a", "one-uid"), snapshot("b", "slot-id")],
    asked: ["backupruns/one", "restores/back"],
    slots: { due: new Set(["slot"]), possible: new Set() },
    restored: new Map([["back", []]]),
    locks: [],
    leftovers: [],
  };
}

const told = { totalFiles: 2, totalBytes: 30, dataAddedBytes: 7 };
const summary = { total_files_processed: 2, total_bytes_processed: 30, data_added: 7 };
const at = (second: number) => `2026-01-01T00:00:${String(second).padStart(2, "0")}.000000Z`;
const succeeded = (id: string, attempts = 1) => ({
  phase: "Succeeded",
  reason: "Completed",
  attempts,
  startTime: "s",
  completionTime: at(30),
  snapshots: [{ id, ...told }],
});
const interrupted = { phase: "Failed", reason: "Interrupted", message: "killed", attempts: 2, startTime: "s" };
const start = (id: string, attempt = 1, step = "backup") => ({ id, attempt, step });
const snapshot = (id: string, run: string) => ({ id, tags: ["holdfast", `run=${run}`], summary });

function version(plural: string, name: string, revision: number, more: object, uid = `${name}-uid`): Version {
  const object = { metadata: { name, uid, resourceVersion: `${revision}` }, ...more };
  return { revision, plural, name, object: object as NonNullable<Version["object"]> };
}

function run(name: string, revision: number, states: object[], spec: object = {}, uid?: string): Version[] {
  const whole = { policyRef: "www", hostRef: "web-1", trigger: "Manual", ...spec };
  return [{}, ...states].map((status, index) =>
    version("backupruns", name, revision + index, { spec: whole, status }, uid),
  );
}

function host(revision: number, session: object): Version[] {
  return [version("hosts", "web-1", revision, { spec: {}, status: { session } })];
}

function lease(revision: number, spec: object, name = "holdfast-operator"): Version[] {
  return [version("leases", name, revision, { spec: { leaseDurationSeconds: 15, ...spec } })];
}

function fault(more: Partial<Fault>): Fault {
  return { target: "restic", signal: "SIGKILL", point: "any moment", what: "it", pids: [], hit: [], ...more };
}

/** The history with other states of the run `one`. */
function withRun(states: object[], more: Partial<History> = {}): History {
  const others = well().versions.filter(({ name }) => name !== "one");
  return { ...well(), versions: [...others, ...run("one", 100, states)], ...more };
}

function withAlso(versions: Version[], more: Partial<History> = {}): History {
  return { ...well(), versions: [...well().versions, ...versions], ...more };
}

const rules = (history: History) => check(history).map(({ rule }) => rule);

const fine: [string, History][] = [
  ["nothing was hit", well()],
  [
    "a run that was hit once was tried once more",
    withRun([succeeded("a", 2)], {
      faults: [fault({ hit: ["one-uid"] })],
      starts: [...well().starts, start("one-uid", 2)],
    }),
  ],
  [
    "a run that was hit twice is Interrupted and has no snapshot",
    withRun([interrupted], {
      faults: [fault({ hit: ["one-uid"] }), fault({ target: "agent", hit: ["one-uid"] })],
      snapshots: [snapshot("b", "slot-id")],
      starts: [...well().starts, start("one-uid", 2)],
    }),
  ],
  [
    "a lock is of a restic that was killed",
    { ...well(), locks: [{ id: "l", pid: 7 }], faults: [fault({ pids: [7] })] },
  ],
  [
    "a slot passed while the run before it was busy",
    withAlso(
      run("busy", 60, [{ phase: "Skipped", reason: "Overlap", attempts: 0 }], {
        trigger: "Schedule",
        scheduledTime: at(10),
      }),
      { slots: { due: new Set(["slot"]), possible: new Set(["busy"]) } },
    ),
  ],
];

describe("a history is found to be well", () => {
  test.each(fine)("where %s", (_, history) => {
    expect(check(history)).toEqual([]);
  });
});

const lease2 = { holderIdentity: "op-c", acquireTime: at(19), leaseTransitions: 2 };
const broken: [string, History, string[]][] = [
  ["was asked for and is not there", { ...well(), asked: [...well().asked, "backupruns/two"] }, ["lost"]],
  [
    "fell due and is not there",
    { ...well(), slots: { due: new Set(["slot", "next"]), possible: new Set() } },
    ["lost"],
  ],
  [
    "was created a second time after its deletion",
    withAlso(run("slot", 60, [succeeded("b")], { trigger: "Schedule", runID: "slot-id" }, "other-uid")),
    ["doubled"],
  ],
  [
    "nobody asked for",
    withAlso(run("two", 60, [succeeded("c")]), { snapshots: [...well().snapshots, snapshot("c", "two-uid")] }),
    ["stray"],
  ],
  ["has not ended", withRun([{ phase: "Running", attempts: 1 }]), ["no-result", "result", "result"]],
  ["had another result before", withRun([interrupted, succeeded("a")], { faults: [] }), ["terminal-changed"]],
  ["went on after its end", withRun([succeeded("a"), { phase: "Running" }, succeeded("a")]), ["terminal-changed"]],
  ["was queued again", withRun([{ phase: "Running" }, { phase: "Queued" }, succeeded("a")]), ["backwards"]],
  ["lost an attempt", withRun([{ phase: "Running", attempts: 2 }, succeeded("a")]), ["backwards"]],
  ["began twice", withRun([{ phase: "Running", startTime: "other" }, succeeded("a")]), ["backwards"]],
  ["says Succeeded without a snapshot", { ...well(), snapshots: [snapshot("b", "slot-id")] }, ["result"]],
  ["has two snapshots", { ...well(), snapshots: [...well().snapshots, snapshot("c", "one-uid")] }, ["result"]],
  ["names another snapshot than it has", withRun([succeeded("z")]), ["result"]],
  [
    "tells other figures than restic has kept",
    withRun([{ ...succeeded("a"), snapshots: [{ id: "a", ...told, totalBytes: 29 }] }]),
    ["figures"],
  ],
  [
    "was cancelled though nobody asked for that",
    withRun([{ phase: "Cancelled", reason: "Cancelled", attempts: 1 }], { snapshots: [snapshot("b", "slot-id")] }),
    ["result"],
  ],
  [
    "failed though nothing hit it",
    withRun([interrupted], { snapshots: [snapshot("b", "slot-id")] }),
    ["attempts", "result"],
  ],
  [
    "failed after one hit, which is tried again",
    withRun([{ ...interrupted, attempts: 1 }], {
      faults: [fault({ hit: ["one-uid"] })],
      snapshots: [snapshot("b", "slot-id")],
    }),
    ["result"],
  ],
  [
    "is Failed and has a snapshot all the same",
    withRun([interrupted], { faults: [fault({ hit: ["one-uid"] }), fault({ hit: ["one-uid"] })] }),
    ["result"],
  ],
  [
    "was passed over though nothing was in the way",
    withRun([{ phase: "Skipped", reason: "Overlap", attempts: 0 }], {
      starts: [],
      snapshots: [snapshot("b", "slot-id")],
    }),
    ["result"],
  ],
  ["had two restics in one attempt", { ...well(), starts: [...well().starts, start("one-uid")] }, ["restic-twice"]],
  ["was tried more often than it tells", { ...well(), starts: [...well().starts, start("one-uid", 2)] }, ["attempts"]],
  ["tells more attempts than there were", withRun([succeeded("a", 2)]), ["attempts"]],
  ["left a snapshot of no run", { ...well(), snapshots: [...well().snapshots, snapshot("c", "gone")] }, ["snapshot"]],
  ["restored something else", { ...well(), restored: new Map([["back", ["a.txt is missing"]]]) }, ["restored"]],
  ["restored what nobody compared", { ...well(), restored: new Map() }, ["restored"]],
  [
    "failed to restore though nothing hit it",
    withAlso([version("restores", "bad", 60, { spec: {}, status: { phase: "Failed", reason: "Interrupted" } })], {
      asked: [...well().asked, "restores/bad"],
    }),
    ["result"],
  ],
  ["fell back to an older epoch", withAlso(host(60, { epoch: 1, replica: "op-a", connectedTime: "t1" })), ["epoch"]],
  ["gave two replicas one epoch", withAlso(host(60, { epoch: 2, replica: "op-c", connectedTime: "t9" })), ["epoch"]],
  [
    "brought a session back to life",
    withAlso([
      ...host(60, { epoch: 2, replica: "op-b", connectedTime: "t3", disconnectedTime: "t4" }),
      ...host(61, { epoch: 2, replica: "op-b", connectedTime: "t3" }),
    ]),
    ["epoch"],
  ],
  [
    "had two leaders at once",
    withAlso(lease(60, { holderIdentity: "op-d", acquireTime: at(30), renewTime: at(30), leaseTransitions: 3 })),
    ["lease"],
  ],
  ["renewed a Lease into the past", withAlso(lease(60, { ...lease2, renewTime: at(1) })), ["lease"]],
  ["forgot since when it leads", withAlso(lease(60, { ...lease2, acquireTime: at(20), renewTime: at(20) })), ["lease"]],
  ["miscounted the leaders", withAlso(lease(60, { ...lease2, renewTime: at(20), leaseTransitions: 7 })), ["lease"]],
  ["left a lock that nobody killed", { ...well(), locks: [{ id: "l", pid: 7 }] }, ["lock"]],
  ["left something about", { ...well(), leftovers: ["a folder"] }, ["leftover"]],
];

describe("a history is found to be broken", () => {
  test.each(broken)("that %s", (_, history, want) => {
    expect(rules(history).toSorted()).toEqual(want.toSorted());
  });
});
