import { describe, expect, test } from "vitest";
import type { EnrollmentToken } from "#crds/enrollmenttoken.ts";
import type { Host } from "#crds/host.ts";
import type { EnrollRequest } from "#protocol/enroll.ts";
import type { StoredCredential } from "./credential-secret.ts";
import { admitHost, useToken } from "./enrolment-decision.ts";

const NOW = Date.parse("2026-11-21T12:00:00Z");
const mine = "a".repeat(64);
const other = "b".repeat(64);

function request(more: Partial<EnrollRequest> = {}): EnrollRequest {
  const rest = { machineIDHash: other, os: "linux", arch: "x64", version: "1" };
  return { token: "unused", hostname: "Web_1", credentialHash: mine, ...rest, ...more };
}

function token(spec: EnrollmentToken["spec"] = {}, status: object = {}, createdAt = NOW - 60_000): EnrollmentToken {
  return {
    apiVersion: "holdfast.dev/v1alpha1",
    kind: "EnrollmentToken",
    metadata: {
      name: "t",
      namespace: "n",
      uid: "u",
      resourceVersion: "1",
      creationTimestamp: new Date(createdAt).toISOString(),
    },
    spec,
    status: { expiresAt: new Date(NOW + 60_000).toISOString(), ...status },
  };
}

function host(spec: Host["spec"] = {}, more: object = {}): Host {
  const metadata = { name: "web-1", namespace: "n", uid: "h", resourceVersion: "1", ...more };
  return { apiVersion: "holdfast.dev/v1alpha1", kind: "Host", metadata, spec };
}

const withdrawn: Host = {
  ...host(),
  status: {
    conditions: [
      { type: "Revoked", status: "True", reason: "R", message: "", lastTransitionTime: "2026-11-21T12:00:00Z" },
    ],
  },
};

const ago = (ms: number) => new Date(NOW - ms).toISOString();
const used = (by: string, ms: number, name = "web-1") => ({
  uses: 1,
  hosts: [{ name, credentialHash: by, time: ago(ms) }],
});

describe("using a token", () => {
  test("takes the name from the hostname and counts", () => {
    const use = useToken(token({ maxUses: 2 }, used(other, 5_000, "db-1")), request(), NOW);
    expect(use.enrolment).toEqual({ name: "web-1", credentialHash: mine, time: ago(0) });
    expect(use.status.uses).toBe(2);
    expect(use.status.hosts.map(({ name }) => name)).toEqual(["db-1", "web-1"]);
  });

  test("a repeat counts nothing, even when the token has no use left or has expired since", () => {
    const spent = token({ maxUses: 1 }, { ...used(mine, 60_000), expiresAt: ago(1) });
    expect(useToken(spent, request(), NOW)).toMatchObject({ repeated: true, status: { uses: 1 } });
  });

  test("a repeat much later is none: the Host may have been deleted meanwhile", () => {
    expect(() => useToken(token({ maxUses: 1 }, used(mine, 11 * 60_000)), request(), NOW)).toThrow(/has been used/);
  });

  test("a machine that enrols once more under its name takes the place of its first entry", () => {
    const use = useToken(token({ maxUses: 2 }, used(other, 5_000)), request(), NOW);
    expect(use.status.hosts).toEqual([use.enrolment]);
    expect(use.status.uses).toBe(2);
  });

  test.each([
    ["expired", token({}, { expiresAt: ago(0) }), request(), "token_expired", 401],
    ["used up", token({ maxUses: 1 }, used(other, 5_000, "db-1")), request(), "token_used", 401],
    ["not prepared yet", token({}, { expiresAt: undefined }), request(), "token_not_ready", 503],
    ["pinned to another name", token({ hostName: "db-1" }), request(), "host_name_mismatch", 403],
    ["a hostname without a name in it", token(), request({ hostname: "__" }), "hostname_invalid", 400],
  ])("%s is refused", (_, given, asked, code, status) => {
    expect(() => useToken(given, asked, NOW)).toThrow(expect.objectContaining({ code, status }));
  });
});

describe("a Host", () => {
  const enrolment = { name: "web-1", credentialHash: mine, time: ago(0) };
  const stored = (hash: string | undefined, ms: number): StoredCredential => ({
    enrolledTime: ago(ms),
    ...(hash === undefined ? {} : { hash }),
  });
  const again = (createdAt: number) => token({ hostName: "web-1", reenroll: true }, {}, createdAt);

  test.each([
    ["that is not there is created", token(), undefined, undefined, "create-host"],
    ["without an agent is claimed", token(), host(), undefined, "write-credential"],
    ["that has this very credential is done", token(), host(), stored(mine, 5_000), "done"],
    [
      "is taken over by a token made for that",
      again(NOW - 60_000),
      host(),
      stored(other, 90_000),
      "replace-credential",
    ],
    [
      "is taken over in the second it was enrolled in",
      again(NOW - 5_000),
      host(),
      stored(other, 4_500),
      "replace-credential",
    ],
    [
      "whose agent was revoked is taken over like a living one",
      again(NOW),
      host(),
      stored(undefined, 90_000),
      "replace-credential",
    ],
  ])("%s", (_, given, present, credential, want) => {
    expect(admitHost(given, enrolment, present, credential)).toBe(want);
  });

  test.each([
    ["that has an agent is not a plain token's", token(), host(), stored(other, 90_000), "host_exists"],
    ["whose agent was revoked is not a plain token's", token(), host(), stored(undefined, 90_000), "host_exists"],
    [
      "is not taken over by a token older than its agent",
      again(NOW - 60_000),
      host(),
      stored(other, 30_000),
      "host_exists",
    ],
    ["is not taken back by an enrolment from before", again(NOW), host(), stored(other, -1_000), "host_exists"],
    ["that is revoked takes nobody", again(NOW), host({ revoked: true }), undefined, "host_revoked"],
    ["whose revocation has just been taken back is asked for again", again(NOW), withdrawn, undefined, "host_revoked"],
    ["that is being deleted takes nobody", token(), host({}, { deletionTimestamp: ago(1) }), undefined, "host_deleted"],
  ])("%s", (_, given, present, credential, code) => {
    expect(() => admitHost(given, enrolment, present, credential)).toThrow(expect.objectContaining({ code }));
  });
});
