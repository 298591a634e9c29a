import { describe, expect, test } from "vitest";
import type { RepositorySpec } from "#crds/repository.ts";
import { repositoryAccess } from "#protocol/config.ts";
import type { Secret } from "../../kube/resource.ts";
import { RESTIC_ID, readyRepository, repositoryOf } from "../fixtures.ts";
import { resolveAccess, secretNames } from "./access.ts";

function secret(name: string, values: Record<string, string>, resourceVersion = "7"): [string, Secret] {
  const data = Object.entries(values).map(([key, value]) => [key, Buffer.from(value).toString("base64")]);
  const metadata = { name, namespace: "team", uid: `uid-${name}`, resourceVersion };
  return [name, { apiVersion: "v1", kind: "Secret", metadata, data: Object.fromEntries(data) }];
}

const pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
const password = secret("offsite-password", { password: "correct horse\n" });
const server = secret("server", { RESTIC_REST_USERNAME: "fleet", RESTIC_REST_PASSWORD: "s3cret", "ca.crt": pem });
const full: Partial<RepositorySpec> = {
  envFrom: [{ secretRef: { name: "server" } }],
  tls: { caFrom: { secretKeyRef: { name: "server", key: "ca.crt" } } },
};

test("names each Secret once", () => {
  expect(secretNames(repositoryOf("offsite", { spec: full }).spec)).toEqual(["offsite-password", "server"]);
});

test("an access is what the wire takes, without the password's line break and without keys that are no variables", () => {
  const resolved = resolveAccess(readyRepository("offsite", { spec: full }), new Map([password, server]));
  if ("problem" in resolved) throw new Error(resolved.problem);
  expect(repositoryAccess.parse(resolved.access)).toEqual({
    uid: "repository-offsite",
    name: "offsite",
    url: "rest:https://backup.example.com/offsite/",
    password: { value: "correct horse" },
    env: { RESTIC_REST_USERNAME: "fleet", RESTIC_REST_PASSWORD: "s3cret" },
    ca: pem.trimEnd(),
    repositoryID: RESTIC_ID,
  });
});

test("a password that stays on the host is only named", () => {
  const resolved = resolveAccess(
    repositoryOf("offsite", { spec: { passwordFrom: { host: "env:RESTIC_PASSWORD" } } }),
    new Map(),
  );
  expect(resolved).toMatchObject({ access: { password: { host: "env:RESTIC_PASSWORD" } } });
});

test("the versions change with a Secret and hold nothing of its values", () => {
  const versions = (rv: string, value: string) => {
    const resolved = resolveAccess(
      repositoryOf("offsite"),
      new Map([secret("offsite-password", { password: value }, rv)]),
    );
    return "versions" in resolved ? resolved.versions : undefined;
  };
  expect(versions("7", "a")).toMatch(/^[0-9a-f]{64}$/);
  expect(versions("7", "a")).toBe(versions("7", "b"));
  expect(versions("7", "a")).not.toBe(versions("8", "a"));
});

describe("what is missing is named, with the field that asks for it", () => {
  test.each<[string, Partial<RepositorySpec>, [string, Secret][], string]>([
    [
      "no Secret for the password",
      {},
      [],
      "there is no Secret offsite-password (passwordFrom) in namespace team; create it",
    ],
    [
      "no Secret for the environment",
      { envFrom: [{ secretRef: { name: "server" } }] },
      [password],
      "there is no Secret server (envFrom) in namespace team; create it",
    ],
    [
      "no Secret for the authority",
      { tls: { caFrom: { secretKeyRef: { name: "ca", key: "ca.crt" } } } },
      [password],
      "there is no Secret ca (tls.caFrom) in namespace team; create it",
    ],
    [
      "another key",
      {},
      [secret("offsite-password", { pasword: "x", other: "y" })],
      "Secret offsite-password has no key password (passwordFrom); name one of its keys (other, pasword), or add this one",
    ],
    [
      "a key named like a method of objects",
      { passwordFrom: { secretKeyRef: { name: "offsite-password", key: "constructor" } } },
      [password],
      "Secret offsite-password has no key constructor (passwordFrom); name one of its keys (password), or add this one",
    ],
    [
      "an empty password",
      {},
      [secret("offsite-password", { password: "\n" })],
      "key password of Secret offsite-password (passwordFrom) is empty; put the value there",
    ],
    [
      "a password out of all bounds",
      {},
      [secret("offsite-password", { password: "x".repeat(5000) })],
      "key password of Secret offsite-password (passwordFrom) is longer than 4096 characters; shorten it",
    ],
    [
      "an authority that is no certificate",
      full,
      [password, secret("server", { "ca.crt": "MIIB" })],
      "key ca.crt of Secret server (tls.caFrom) holds no certificate in PEM; put one there",
    ],
  ])("%s", (_, spec, secrets, problem) => {
    expect(resolveAccess(repositoryOf("offsite", { spec }), new Map(secrets))).toEqual({ problem });
  });
});
