import { expect, test } from "vitest";
import { rootOf, rootTag, runID, runName } from "./names.ts";

const identity = {
  policyUID: "b87a9513-7c22-4851-ae8d-c03a2b8b50be",
  hostUID: "3e70446d-a29b-4190-8ae7-ab13d0a20ac2",
  occasion: "2026-11-21T13:09:00Z",
};

test("a run's id is a version 5 UUID and never changes for the same policy, host and slot", () => {
  expect(runID(identity)).toBe("0aea4118-3c6a-5911-b068-b0f357b4c712");
  expect(runID({ ...identity, occasion: "2026-11-21T13:10:00Z" })).not.toBe(runID(identity));
});

test("a run's name fits a label, however long the policy's and the host's are", () => {
  const name = runName("p".repeat(63), `${"h".repeat(24)}.${"h".repeat(38)}`, identity);
  expect(name).toMatch(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);
  expect(name.length).toBeLessThanOrEqual(63);
  expect(runName("www", "web-1", identity)).toBe("www-web-1-jwzkvnpj2c");
});

test.each(["", "/host", "/mnt/a,b", "/100%", "/größe"])("the root folder %j comes back out of its tag", (root) => {
  expect(rootTag(root)).not.toContain(",");
  expect(rootOf(["holdfast", rootTag(root)])).toBe(root);
});

test("a snapshot without our tag, or with a broken one, has its paths as they are", () => {
  expect(rootOf(["holdfast"])).toBe("");
  expect(rootOf(["root=%zz"])).toBe("");
  for (const hostile of ["/../../etc", "host", "/", "/a//b", "/a%00b", "/a/"])
    expect([hostile, rootOf([`root=${hostile}`])]).toEqual([hostile, ""]);
});
