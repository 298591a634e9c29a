import type { Repository, RepositorySpec } from "#crds/repository.ts";
import { sha256 } from "#protocol/canonical.ts";
import type { RepositoryAccess } from "#protocol/config.ts";
import type { Secret } from "../../kube/resource.ts";

/** `versions`: a hash of the Secrets' UIDs and resourceVersions, which says nothing of their values. */
export type Resolved =
  | { readonly access: RepositoryAccess; readonly versions: string }
  /** What is missing and what to do, for a condition. */
  | { readonly problem: string };

/** The bounds of the wire (agent/protocol/config.ts). */
const LONGEST_PASSWORD = 4096;
const LONGEST_VARIABLE = 16_384;
const LONGEST_CA = 65_536;

/** Names of the Secrets a repository needs, each once. */
export function secretNames({ passwordFrom, envFrom = [], tls }: RepositorySpec): string[] {
  const names = [passwordFrom.secretKeyRef?.name, ...envFrom.map(({ secretRef }) => secretRef.name)];
  return [...new Set([...names, tls?.caFrom?.secretKeyRef.name])].filter((name) => name !== undefined);
}

/** What an agent needs to open the repository. `secrets` holds those that exist, by name. */
export function resolveAccess(repository: Repository, secrets: ReadonlyMap<string, Secret>): Resolved {
  const { spec, metadata, status } = repository;
  const named = secretNames(spec);
  const missing = named.find((name) => !secrets.has(name));
  if (missing !== undefined) {
    const field = fieldOf(spec, missing);
    return { problem: `there is no Secret ${missing} (${field}) in namespace ${metadata.namespace}; create it` };
  }
  const { passwordFrom, tls, envFrom = [] } = spec;

  const password =
    passwordFrom.secretKeyRef && keyIn(secrets, passwordFrom.secretKeyRef, "passwordFrom", LONGEST_PASSWORD);
  if (password?.problem !== undefined) return password;
  const ca = tls?.caFrom && keyIn(secrets, tls.caFrom.secretKeyRef, "tls.caFrom", LONGEST_CA);
  if (ca?.problem !== undefined) return ca;
  if (ca && !ca.value.includes("-----BEGIN CERTIFICATE-----")) {
    const { name, key } = tls!.caFrom!.secretKeyRef;
    return { problem: `key ${key} of Secret ${name} (tls.caFrom) holds no certificate in PEM; put one there` };
  }

  const env: Record<string, string> = {};
  for (const { secretRef } of envFrom) {
    for (const [key, data] of Object.entries(secrets.get(secretRef.name)?.data ?? {})) {
      // As with a container's envFrom, keys that can be no variable (ca.crt) are passed over.
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(key) || key.length > 128) continue;
      const value = decode(data);
      if (value.length > LONGEST_VARIABLE) {
        return {
          problem: `key ${key} of Secret ${secretRef.name} (envFrom) is longer than ${LONGEST_VARIABLE} characters; shorten it`,
        };
      }
      env[key] = value;
    }
  }

  const access: RepositoryAccess = {
    uid: metadata.uid,
    name: metadata.name,
    url: spec.url,
    password: password ? { value: password.value } : { host: passwordFrom.host ?? "" },
    env,
    ...(ca && { ca: ca.value }),
    ...(status?.repositoryID !== undefined && { repositoryID: status.repositoryID }),
  };
  const versions = named.map((name) => {
    const { uid, resourceVersion } = secrets.get(name)!.metadata;
    return `${name} ${uid} ${resourceVersion}`;
  });
  return { access, versions: sha256(versions.sort().join("\n")) };
}

type Value = { readonly value: string; readonly problem?: undefined } | { readonly problem: string };

function keyIn(
  secrets: ReadonlyMap<string, Secret>,
  { name, key }: { name: string; key: string },
  field: string,
  longest: number,
): Value {
  const data = secrets.get(name)?.data ?? {};
  const encoded = Object.hasOwn(data, key) ? data[key] : undefined;
  if (encoded === undefined) {
    const keys = Object.keys(data).sort().slice(0, 10).join(", ");
    const cure = keys === "" ? "it has none at all; add it" : `name one of its keys (${keys}), or add this one`;
    return { problem: `Secret ${name} has no key ${key} (${field}); ${cure}` };
  }
  // A file made with an editor or echo ends in a line break that nobody means as part of the password.
  const value = decode(encoded).replace(/\r?\n$/, "");
  if (value === "") return { problem: `key ${key} of Secret ${name} (${field}) is empty; put the value there` };
  if (value.length > longest) {
    return { problem: `key ${key} of Secret ${name} (${field}) is longer than ${longest} characters; shorten it` };
  }
  return { value };
}

function fieldOf({ passwordFrom, tls }: RepositorySpec, name: string): string {
  if (passwordFrom.secretKeyRef?.name === name) return "passwordFrom";
  return tls?.caFrom?.secretKeyRef.name === name ? "tls.caFrom" : "envFrom";
}

function decode(data: string): string {
  return Buffer.from(data, "base64").toString("utf8");
}
