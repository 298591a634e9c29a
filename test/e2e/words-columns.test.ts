import { beforeAll, describe, expect, test } from "vitest";
import { oneShotDisplay } from "../../operator/controllers/one-shot/display.ts";
import { testNamespace } from "../namespace.ts";

const { kubectl } = testNamespace();
const WIDTH = 80;
const HOUR = 3_600_000;
/** Ages that kubectl shows the same for the next half hour, however slow the machine is. */
const TEN_HOURS = 10.5 * HOUR;
const NINE_DAYS = 9.5 * 24 * HOUR;
const ago = (ms: number) => `${new Date(Date.now() - ms).toISOString().slice(0, 19)}Z`;

/** As long as names of people's own are: 30 characters. */
const name = (text: string) => `${text}-`.padEnd(30, "production");
const ready = (status: string, reason: string, message = "…") => ({
  conditions: [{ type: "Ready", status, reason, message, lastTransitionTime: ago(0) }],
});
const digest = "5f".repeat(32);

const objects: { kind: string; name: string; spec: object; status: object }[] = [];
const add = (kind: string, object: string, spec: object, status: object) =>
  objects.push({ kind, name: object, spec, status });

const policy = { hosts: { selector: {} }, repository: { name: "offsite" }, files: { paths: ["/srv"] } };
const next = "2026-11-22T02:00Z";
add("BackupPolicy", name("all-web-servers"), policy, {
  ...ready("True", "Ready"),
  lastSuccessfulTime: ago(TEN_HOURS),
  display: { ok: "999/1000", next },
});
add("BackupPolicy", name("laptops"), policy, {
  ...ready("True", "Suspended"),
  lastSuccessfulTime: ago(NINE_DAYS),
  display: { ok: "3/5", next: "Suspended" },
});
add("BackupPolicy", name("broken"), policy, {
  ...ready("False", "RepositoryNotReady"),
  display: { ok: "0/1", next: "RepositoryNotReady" },
});
add("BackupPolicy", name("new"), policy, {});

add(
  "Host",
  name("web-1"),
  {},
  {
    ...ready("True", "Connected"),
    agent: { version: "0.1.0", restic: "0.19.0", os: "linux" },
    lastSuccessfulTime: ago(TEN_HOURS),
    display: { ok: "64/64", next },
  },
);
add(
  "Host",
  name("clone"),
  {},
  {
    ...ready("False", "IdentityConflict"),
    lastSuccessfulTime: ago(NINE_DAYS),
    display: { ok: "1/2", next: "IdentityConflict" },
  },
);
add("Host", name("new"), {}, {});

const repository = (path: string) => ({
  url: `rest:https://backup.example.com/${path}/`,
  passwordFrom: { secretKeyRef: { name: "password", key: "password" } },
});
add("Repository", name("offsite"), repository("offsite"), {
  ...ready("True", "Opened"),
  repositoryID: digest,
  display: { id: digest.slice(0, 8) },
  lastOpen: { time: ago(NINE_DAYS), phase: "Succeeded" },
});
add("Repository", name("elsewhere"), repository("elsewhere"), {
  ...ready("False", "RepositoryNotInitialized"),
  lastOpen: { time: ago(TEN_HOURS), phase: "Failed" },
});

const start = { startTime: ago(TEN_HOURS), completionTime: ago(TEN_HOURS - 12 * 60_000) };
const snapshots = [{ id: digest, source: "files", dataAddedBytes: 1.3 * 1024 ** 3 }];
type Status = Parameters<typeof oneShotDisplay>[1];
const oneShot = (kind: string, object: string, spec: Parameters<typeof oneShotDisplay>[0], status: Status) =>
  add(kind, name(object), spec, { ...status, ...oneShotDisplay(spec, status) });
const statuses: { [name: string]: Status } = {
  done: { phase: "Succeeded", reason: "Completed", ...start, snapshots },
  partly: { phase: "PartiallyFailed", reason: "UnreadFiles", ...start, snapshots },
  failed: { phase: "Failed", reason: "RepositoryUnreachable", ...start },
  running: {
    phase: "Running",
    reason: "Running",
    startTime: start.startTime,
    progress: { percent: 42, secondsRemaining: 1500 },
  },
  waiting: { phase: "Pending", reason: "HostOffline" },
};
for (const [object, status] of Object.entries(statuses)) {
  oneShot("BackupRun", object, { policyRef: name("all-web-servers"), hostRef: name("web-1") }, status);
  const { snapshots: written, ...restored } = status;
  const figures = written === undefined ? {} : { snapshotID: digest, restored: { files: 5, bytes: 5000 } };
  const source = { repository: "offsite", policy: "www" };
  const target = { hostRef: name("web-1"), path: "/var/lib/holdfast/restore/x" };
  oneShot("Restore", object, { source, target }, { ...restored, ...figures });
}

const expiresAt = "2026-11-21T16:02:00Z";
const token = (object: string, reason: string, uses: number, maxUses: number) =>
  add("EnrollmentToken", name(object), { maxUses }, { ...ready("True", reason), uses, expiresAt });
token("fleet", "Usable", 3, 25);
token("machine", "Used", 1, 1);
token("late", "Expired", 0, 1);

beforeAll(async () => {
  const manifest = (object: (typeof objects)[number], withStatus: boolean) => ({
    apiVersion: "holdfast.dev/v1alpha1",
    kind: object.kind,
    metadata: { name: object.name },
    spec: object.spec,
    ...(withStatus && { status: object.status }),
  });
  const list = (withStatus: boolean) =>
    JSON.stringify({ apiVersion: "v1", kind: "List", items: objects.map((object) => manifest(object, withStatus)) });
  const apply = ["apply", "--server-side", "--filename=-"];
  await kubectl(apply, list(false));
  await kubectl([...apply, "--subresource=status", "--field-manager=test", "--force-conflicts"], list(true));
});

async function get(...args: string[]): Promise<string[]> {
  return (await kubectl(["get", ...args])).trimEnd().split("\n");
}

/** Columns are at least two spaces apart; a blank cell is seen by where its column begins. */
function cells(lines: readonly string[]): string[][] {
  const [header = ""] = lines;
  const starts = [...header.matchAll(/\S+( \S+)*/g)].map(({ index }) => index);
  return lines.map((line) => starts.map((from, column) => line.slice(from, starts[column + 1]).trim()));
}

describe("kubectl get answers within 80 columns whether it is well, when it last worked and what is next:", () => {
  test.each<[string, string[][]]>([
    [
      "backuppolicies",
      [
        ["NAME", "READY", "OK", "LAST OK", "NEXT"],
        [name("all-web-servers"), "True", "999/1000", "10h", next],
        [name("broken"), "False", "0/1", "", "RepositoryNotReady"],
        [name("laptops"), "True", "3/5", "9d", "Suspended"],
        [name("new"), "", "", "", ""],
      ],
    ],
    [
      "hosts",
      [
        ["NAME", "READY", "OK", "LAST OK", "NEXT"],
        [name("clone"), "False", "1/2", "9d", "IdentityConflict"],
        [name("new"), "", "", "", ""],
        [name("web-1"), "True", "64/64", "10h", next],
      ],
    ],
    [
      "repositories",
      [
        ["NAME", "READY", "REASON", "LAST TRY"],
        [name("elsewhere"), "False", "RepositoryNotInitialized", "10h"],
        [name("offsite"), "True", "Opened", "9d"],
      ],
    ],
    [
      "backupruns",
      [
        ["NAME", "PHASE", "START", "RESULT"],
        [name("done"), "Succeeded", "10h", "1.3 GiB in 12m"],
        [name("failed"), "Failed", "10h", "RepositoryUnreachable"],
        [name("partly"), "PartiallyFailed", "10h", "UnreadFiles"],
        [name("running"), "Running", "10h", "42%, 25m left"],
        [name("waiting"), "Pending", "", "HostOffline"],
      ],
    ],
    [
      "restores",
      [
        ["NAME", "PHASE", "START", "RESULT"],
        [name("done"), "Succeeded", "10h", "4.9 KiB in 12m"],
        [name("failed"), "Failed", "10h", "RepositoryUnreachable"],
        [name("partly"), "PartiallyFailed", "10h", "UnreadFiles"],
        [name("running"), "Running", "10h", "42%, 25m left"],
        [name("waiting"), "Pending", "", "HostOffline"],
      ],
    ],
    [
      "enrollmenttokens",
      [
        ["NAME", "STATUS", "USED", "OF", "EXPIRES"],
        [name("fleet"), "Usable", "3", "25", expiresAt],
        [name("late"), "Expired", "0", "1", expiresAt],
        [name("machine"), "Used", "1", "1", expiresAt],
      ],
    ],
  ])("%s", async (kind, want) => {
    const lines = await get(kind);
    expect(cells(lines)).toEqual(want);
    expect(lines.filter((line) => line.trimEnd().length > WIDTH)).toEqual([]);
  });
});

test.each([
  ["backuppolicies", ["SCHEDULE", "FAILING", "OVERDUE", "RUNNING", "AGE", "REASON", "MESSAGE"]],
  ["hosts", ["CONNECTED", "LAST SEEN", "CONFIG", "AGENT", "RESTIC", "OS", "AGE", "REASON", "MESSAGE"]],
  ["repositories", ["ID", "URL", "AGE", "MESSAGE"]],
  ["backupruns", ["POLICY", "HOST", "TRIGGER", "SNAPSHOT", "AGE", "MESSAGE"]],
  ["restores", ["HOST", "PATH", "SNAPSHOT", "AGE", "MESSAGE"]],
  ["enrollmenttokens", ["READY", "HOST", "SECRET", "AGE"]],
])("kubectl get %s -o wide adds what one looks for next", async (kind, want) => {
  const [wide = []] = cells(await get(kind, "--output=wide"));
  expect(wide.slice(-want.length)).toEqual(want);
});

test.each([
  ["backupruns", "SNAPSHOT"],
  ["restores", "SNAPSHOT"],
  ["repositories", "ID"],
])("kubectl get %s -o wide shows 8 of 64 digits", async (kind, column) => {
  const [header = [], ...rows] = cells(await get(kind, "--output=wide"));
  const shown = rows.map((row) => row[header.indexOf(column)]);
  expect(new Set(shown)).toEqual(new Set(["", digest.slice(0, 8)]));
});

test("kubectl get holdfast shows all kinds at once", async () => {
  const shown = (await get("holdfast", "--no-headers")).map((line) => line.split("/")[0]).filter((kind) => kind !== "");
  const counts = new Map([...Map.groupBy(shown, (kind) => kind)].map(([kind, lines]) => [kind, lines.length]));
  const want = Map.groupBy(objects, ({ kind }) => `${kind.toLowerCase()}.holdfast.dev`);
  expect(counts).toEqual(new Map([...want].map(([kind, each]) => [kind, each.length])));
});
