import { describe, expect, test } from "vitest";
import { messageOf } from "#base/errors.ts";
import { testNamespace } from "../namespace.ts";

const api = testNamespace();

const meta = { apiVersion: "holdfast.dev/v1alpha1" };
const repository = (spec: object) => ({
  ...meta,
  kind: "Repository",
  metadata: { name: "offsite" },
  spec: {
    url: "rest:https://backup.example.com/web/",
    passwordFrom: { secretKeyRef: { name: "p", key: "k" } },
    ...spec,
  },
});
const policy = (spec: object) => ({
  ...meta,
  kind: "BackupPolicy",
  metadata: { name: "www" },
  spec: { hosts: { names: ["web-1"] }, repository: { name: "offsite" }, files: { paths: ["/srv"] }, ...spec },
});
const run = (spec: object) => ({
  ...meta,
  kind: "BackupRun",
  metadata: { name: "now" },
  spec: { policyRef: "www", hostRef: "web-1", ...spec },
});
const restore = (spec: object) => ({
  ...meta,
  kind: "Restore",
  metadata: { name: "back" },
  spec: {
    source: { repository: "offsite", policy: "www" },
    target: { hostRef: "web-1", path: "/var/lib/holdfast/restore/x" },
    ...spec,
  },
});
const token = (spec: object) => ({ ...meta, kind: "EnrollmentToken", metadata: { name: "web" }, spec });

async function refusal(manifest: object): Promise<string> {
  try {
    await api.kubectl(["create", "--dry-run=server", "--filename=-"], JSON.stringify(manifest));
  } catch (error) {
    return messageOf(error);
  }
  return "";
}

describe("a bad manifest is refused with what to write instead:", () => {
  test.each([
    [
      "user and password in a url",
      repository({ url: "rest:https://fleet:hunter2@backup.example.com/" }),
      "remove user and password from url and put them into a Secret named in envFrom (REST: RESTIC_REST_USERNAME, RESTIC_REST_PASSWORD)",
    ],
    [
      "a url without restic's scheme",
      repository({ url: "https://backup.example.com/" }),
      "write the url as restic does, for example rest:https://backup.example.com/web-1/",
    ],
    [
      "no source of the password",
      repository({ passwordFrom: {} }),
      "set exactly one of secretKeyRef (a Secret in this namespace) and host (env:NAME or file:/path on each host)",
    ],
    [
      "a password source that is neither env: nor file:",
      repository({ passwordFrom: { host: "hunter2" } }),
      "write env:NAME or file:/absolute/path",
    ],
    [
      "a policy without hosts",
      policy({ hosts: {} }),
      "say which hosts: names (a list of Host names) or selector (matchLabels on Hosts)",
    ],
    [
      "an empty schedule",
      policy({ schedule: "" }),
      'a schedule has five fields (minute, hour, day of month, month, day of week), for example "0 2 * * *" or "H 2 * * *"',
    ],
    ["a schedule of four fields", policy({ schedule: "0 2 * *" }), "a schedule has five fields"],
    ["a schedule of six fields", policy({ schedule: "0 0 2 * * *" }), "a schedule has five fields"],
    ["a relative path", policy({ files: { paths: ["srv"] } }), "every path must be absolute, for example /etc"],
    ["no path", policy({ files: { paths: [] } }), "should have at least 1 items"],
    ["a duration in days", policy({ timeout: "7d" }), '7 days are "168h"'],
    ["a duration out of bounds", policy({ timeout: "1s" }), "must be between 1m and 744h"],
    [
      "a tag that poses as the operator's",
      policy({ tags: ["policy=other/policy"] }),
      "a tag holds no comma and does not begin with cluster=, policy=, source=, run= or root=",
    ],
    ["a tag with a comma", policy({ tags: ["a,b"] }), "a tag holds no comma"],
    [
      "a selector operator without values",
      policy({ hosts: { selector: { matchExpressions: [{ key: "role", operator: "In" }] } } }),
      "In and NotIn need values, Exists and DoesNotExist take none",
    ],
    [
      "a manual run with a runID",
      run({ runID: "x" }),
      "runID and scheduledTime are set by the operator for runs of a schedule; leave them and trigger out",
    ],
    ["a scheduled run made by hand", run({ trigger: "Schedule" }), "leave them and trigger out"],
    [
      "latest without a policy",
      restore({ source: { repository: "offsite" } }),
      "latest of what? name the policy (and hostName, where it is not the target's), or give a snapshot id",
    ],
    [
      "a short snapshot id",
      restore({ source: { repository: "offsite", snapshot: "abc" } }),
      "write latest, or a snapshot id of 8 to 64 hexadecimal digits",
    ],
    [
      "before with a snapshot id",
      restore({ source: { repository: "offsite", snapshot: "0123456789", before: "2026-01-01T00:00:00Z" } }),
      "before chooses among snapshots; leave it out with a snapshot id",
    ],
    [
      "a relative target",
      restore({ target: { hostRef: "web-1", path: "restore" } }),
      "path must be absolute and without ..",
    ],
    [
      "a target that climbs",
      restore({ target: { hostRef: "web-1", path: "/var/lib/holdfast/restore/../../etc" } }),
      "path must be absolute and without ..",
    ],
    [
      "include together with exclude",
      restore({ include: ["/a"], exclude: ["/b"] }),
      "restic takes include or exclude, not both; choose one",
    ],
    ["a verified dry run", restore({ dryRun: true, verify: true }), "a dry run writes nothing that could be verified"],
    ["a token of over a day", token({ ttl: "48h" }), "must be between 1m and 24h"],
    [
      "a token for one host used twice",
      token({ hostName: "web-1", maxUses: 2 }),
      "a token for one hostName is for one machine; leave maxUses at 1",
    ],
    [
      "reenroll of nobody",
      token({ reenroll: true }),
      "reenroll takes over an existing Host, so say which one in hostName",
    ],
  ])("%s", async (_, manifest, message) => {
    expect(await refusal(manifest)).toContain(message);
  });
});

describe("what cannot be changed says what to do:", () => {
  const change = async (kind: string, name: string, patch: object) => {
    try {
      await api.kubectl(["patch", kind, name, "--type=merge", `--patch=${JSON.stringify(patch)}`]);
    } catch (error) {
      return messageOf(error);
    }
    return "";
  };

  test("a BackupRun can be cancelled and nothing else", async () => {
    await api.kubectl(["create", "--filename=-"], JSON.stringify(run({})));
    expect(await change("backuprun", "now", { spec: { hostRef: "web-2" } })).toContain(
      "a BackupRun cannot be changed, only cancelled (cancel true); create another one",
    );
    expect(await change("backuprun", "now", { spec: { overrides: { dryRun: true } } })).toContain("cannot be changed");
    expect(await change("backuprun", "now", { spec: { cancel: true } })).toBe("");
    expect(await change("backuprun", "now", { spec: { cancel: false } })).toContain(
      "a cancelled run cannot be brought back; create another one",
    );
  });

  test("a Restore can be cancelled and nothing else", async () => {
    await api.kubectl(["create", "--filename=-"], JSON.stringify(restore({})));
    expect(await change("restore", "back", { spec: { verify: true } })).toContain("a Restore cannot be changed");
    expect(await change("restore", "back", { spec: { include: ["/x"] } })).toContain("a Restore cannot be changed");
    expect(await change("restore", "back", { spec: { cancel: true } })).toBe("");
  });

  test("an EnrollmentToken cannot be changed", async () => {
    await api.kubectl(["create", "--filename=-"], JSON.stringify(token({})));
    expect(await change("enrollmenttoken", "web", { spec: { maxUses: 5 } })).toContain(
      "an EnrollmentToken cannot be changed; delete it and create another one",
    );
  });

  test("a pinned repositoryID never changes", async () => {
    await api.kubectl(["create", "--filename=-"], JSON.stringify(repository({})));
    const pin = (id: string) =>
      api.kubectl([
        ...["patch", "repository", "offsite", "--subresource=status", "--type=merge"],
        `--patch=${JSON.stringify({ status: { repositoryID: id } })}`,
      ]);
    await pin("a".repeat(64));
    await expect(pin("b".repeat(64))).rejects.toThrow("repositoryID is pinned");
  });
});

test("a run that was just created shows as Pending without anybody having written it", async () => {
  const created = await api.kubectl(
    ["create", "--filename=-", "--output=jsonpath={.status.phase}"],
    JSON.stringify({ ...run({}), metadata: { name: "fresh" } }),
  );
  expect(created).toBe("Pending");
});

test("runs can be found by policy, host and phase with field selectors", async () => {
  await api.kubectl(
    ["create", "--filename=-"],
    JSON.stringify({ ...run({ hostRef: "db-1" }), metadata: { name: "db" } }),
  );
  const found = await api.kubectl([
    ...["get", "backupruns", "--field-selector=spec.hostRef=db-1,spec.policyRef=www,status.phase=Pending"],
    "--output=name",
  ]);
  expect(found.trim()).toBe("backuprun.holdfast.dev/db");
});

test.each(["hosts", "enrollmenttokens", "repositories", "backuppolicies", "backupruns", "restores"])(
  "kubectl explain teaches every field of %s",
  async (kind) => {
    const text = await api.kubectl(["explain", kind, "--recursive"]);
    expect(text).toContain("DESCRIPTION");
    const crd = JSON.parse(await api.kubectl(["get", "crd", `${kind}.holdfast.dev`, "--output=json"])) as {
      spec: { versions: { schema: { openAPIV3Schema: Schema } }[] };
    };
    expect(JSON.stringify(crd).length).toBeLessThan(250 * 1024);
    const root = crd.spec.versions[0]!.schema.openAPIV3Schema;
    expect(undescribed(root.properties?.["spec"], "spec")).toEqual([]);
    expect(undescribed(root.properties?.["status"], "status")).toEqual([]);
  },
);

interface Schema {
  description?: string;
  properties?: Record<string, Schema>;
  items?: Schema;
}

/** Paths of the fields that `kubectl explain` would show without a word. */
function undescribed(schema: Schema | undefined, path: string): string[] {
  if (schema === undefined) return [`${path} is missing`];
  const below = Object.entries(schema.properties ?? {}).flatMap(([name, field]) => [
    ...(field.description ? [] : [`${path}.${name}`]),
    ...undescribed(field, `${path}.${name}`),
  ]);
  return [...below, ...(schema.items ? undescribed(schema.items, `${path}[]`) : [])];
}
