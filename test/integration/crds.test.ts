import { expect, test } from "vitest";
import { testNamespace } from "../namespace.ts";

const api = testNamespace();

const run = (name: string, spec: object) => ({
  apiVersion: "holdfast.dev/v1alpha1",
  kind: "BackupRun",
  metadata: { name },
  spec: { policyRef: "www", hostRef: "web-1", ...spec },
});

test("a run that was just created shows as Pending without anybody having written it", async () => {
  const created = await api.kubectl(
    ["create", "--filename=-", "--output=jsonpath={.status.phase}"],
    JSON.stringify(run("fresh", {})),
  );
  expect(created).toBe("Pending");
});

test("a run and a Restore can be cancelled when they stand", async () => {
  await api.kubectl(["create", "--filename=-"], JSON.stringify(run("cancelled", {})));
  const cancel = ["patch", "backuprun", "cancelled", "--type=merge", '--patch={"spec":{"cancel":true}}'];
  expect(await api.kubectl(cancel)).toContain("patched");
  const restore = {
    apiVersion: "holdfast.dev/v1alpha1",
    kind: "Restore",
    metadata: { name: "cancelled" },
    spec: { source: { repository: "offsite", policy: "www" }, target: { hostRef: "web-1", path: "/restore" } },
  };
  await api.kubectl(["create", "--filename=-"], JSON.stringify(restore));
  expect(await api.kubectl(cancel.with(1, "restore"))).toContain("patched");
});

test("runs can be found by policy, host and phase with field selectors", async () => {
  await api.kubectl(["create", "--filename=-"], JSON.stringify(run("db", { hostRef: "db-1" })));
  const found = await api.kubectl([
    ...["get", "backupruns", "--field-selector=spec.hostRef=db-1,spec.policyRef=www,status.phase=Pending"],
    "--output=name",
  ]);
  expect(found.trim()).toBe("backuprun.holdfast.dev/db");
});

test.each(["hosts", "enrollmenttokens", "repositories", "backuppolicies", "backupruns", "restores"])(
  "kubectl explain %s says what to do next, and the CRD has room to grow",
  async (kind) => {
    expect((await api.kubectl(["explain", kind])).replaceAll(/\s+/g, " ")).toMatch(/ Next: .*kubectl /);
    const crd = await api.kubectl(["get", "crd", `${kind}.holdfast.dev`, "--output=json"]);
    expect(crd.length).toBeLessThan(250 * 1024);
  },
);
