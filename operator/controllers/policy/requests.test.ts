import { describe, expect, test } from "vitest";
import type { BackupRun } from "#crds/backuprun.ts";
import { hostOf, policyOf } from "../fixtures.ts";
import { isRequestedRun, requestedRun, runRequest } from "./requests.ts";

const asked = (value: string, lastHandledRunRequest?: string) =>
  policyOf("www", {
    annotations: { "holdfast.dev/run-requested-at": value },
    ...(lastHandledRunRequest && { status: { lastHandledRunRequest } }),
  });
const refused =
  'annotation holdfast.dev/run-requested-at must be 1 to 253 printable ASCII characters, for example the time: "$(date +%s)"; nothing was started';

describe("a run request", () => {
  test.each([
    ["is not there without the annotation", policyOf("www"), undefined],
    ["is any new value", asked("2026-11-21T12:00:00+00:00"), { value: "2026-11-21T12:00:00+00:00" }],
    ["is a value other than the last one", asked("b", "a"), { value: "b" }],
    ["is not a value that was handled", asked("a", "a"), undefined],
    ["is refused when it is empty", asked(""), { refused }],
    ["is refused when status could not hold it", asked("x".repeat(254)), { refused }],
    ["is refused with control characters", asked("a\u001b[2J"), { refused }],
  ])("%s", (_, policy, want) => expect(runRequest(policy)).toEqual(want));
});

describe("the run of a request", () => {
  const policy = policyOf("www");
  const host = hostOf("web-1");

  test("is named by policy, host and value alone, and owned by the policy", () => {
    const draft = requestedRun(policy, host, "now");
    expect(draft.metadata.name).toMatch(/^www-web-1-[a-z0-9]{10}$/);
    expect(requestedRun(policy, host, "now")).toEqual(draft);
    expect(requestedRun(policy, host, "later").metadata.name).not.toBe(draft.metadata.name);
    expect(draft.metadata.ownerReferences).toMatchObject([{ kind: "BackupPolicy", uid: "policy-www" }]);
    expect(draft.spec).toEqual({ policyRef: "www", hostRef: "web-1", trigger: "Manual" });
  });

  test("is told from another one of its name by the policy's UID", () => {
    const draft = requestedRun(policy, host, "now");
    const existing: BackupRun = {
      apiVersion: "holdfast.dev/v1alpha1",
      kind: "BackupRun",
      metadata: { ...draft.metadata, name: draft.metadata.name!, uid: "u", resourceVersion: "1" },
      spec: draft.spec,
    };
    expect(isRequestedRun(existing, policy, host)).toBe(true);
    expect(isRequestedRun(existing, policyOf("www", { uid: "another" }), host)).toBe(false);
  });
});
