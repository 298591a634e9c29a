import type { BackupPolicy } from "#crds/backuppolicy.ts";
import type { Host } from "#crds/host.ts";
import { isTerminal } from "#protocol/outcome.ts";
import { isTrue } from "../kube/conditions.ts";
import type { Informers } from "../kube/informers.ts";
import { type Key, type KubeObject, keyOf } from "../kube/resource.ts";
import { BackupPolicies, BackupRuns, EnrollmentTokens, Hosts, Repositories, Restores } from "./kinds.ts";
import { canonicalURL } from "./repository/url.ts";
import { selects, traitKey, traitsOf, traitsWanted } from "./selection.ts";

export type Caches = ReturnType<typeof openCaches>;

/**
 * The caches of Holdfast's own kinds and the ways to look into them; every look-up costs what it finds. Log tails are not
 * kept: before writing a whole one-shot status, read the live object.
 */
export function openCaches(informers: Informers) {
  const hosts = informers.of(Hosts);
  const tokens = informers.of(EnrollmentTokens);
  const repositories = informers.of(Repositories);
  const policies = informers.of(BackupPolicies);
  const runs = informers.of(BackupRuns, { transform: withoutLogTail });
  const restores = informers.of(Restores, { transform: withoutLogTail });

  const connectedReplica = (host: Host) =>
    isTrue(host.status?.conditions, "Connected") ? list(host.status?.session?.replica) : [];

  return {
    hosts,
    tokens,
    repositories,
    policies,
    runs,
    restores,
    /** By the id in a token: the EnrollmentToken's UID without dashes. */
    tokensByID: tokens.index("id", (token) => [token.metadata.uid.replaceAll("-", "")]),
    /** Hosts that count as connected, by the replica that said so. */
    connectedHostsByReplica: hosts.index("replica", connectedReplica),
    hostsByTrait: hosts.index("trait", (host) =>
      traitsOf(host).map((trait) => traitKey(host.metadata.namespace, trait)),
    ),
    policiesByTrait: policies.index("trait", (policy) =>
      traitsWanted(policy.spec.hosts).map((trait) => traitKey(policy.metadata.namespace, trait)),
    ),
    /** By the key of the Repository. */
    policiesByRepository: policies.index("repository", (policy) => [beside(policy, policy.spec.repository.name)]),
    /** By the key of the policy, whether it exists or not. */
    runsByPolicy: runs.index("policy", (run) => [beside(run, run.spec.policyRef)]),
    runsByHost: runs.index("host", (run) => [beside(run, run.spec.hostRef)]),
    activeRunsByPolicy: runs.index("policy, active", (run) => active(run, run.spec.policyRef)),
    activeRunsByHost: runs.index("host, active", (run) => active(run, run.spec.hostRef)),
    activeRestoresByHost: restores.index("host, active", (restore) => active(restore, restore.spec.target.hostRef)),
    activeRestoresByRepository: restores.index("repository, active", (restore) =>
      active(restore, restore.spec.source.repository),
    ),
    /** By the key of the Host that opens it. */
    repositoriesByInitializer: repositories.index("initializer", (repository) =>
      list(repository.status?.initializer?.hostRef).map((name) => beside(repository, name)),
    ),
    repositoriesByURL: repositories.index("url", (repository) => list(canonicalURL(repository.spec.url))),
    repositoriesByID: repositories.index("id", (repository) => list(repository.status?.repositoryID)),
  };
}

/** The policies that select this host, by name. */
export function policiesOf(caches: Pick<Caches, "policiesByTrait">, host: Host): BackupPolicy[] {
  const found = new Map<Key, BackupPolicy>();
  for (const trait of traitsOf(host)) {
    for (const policy of caches.policiesByTrait(traitKey(host.metadata.namespace, trait))) {
      if (selects(policy, host)) found.set(keyOf(policy), policy);
    }
  }
  return [...found.values()].sort(byName);
}

/** The hosts a policy selects, by name. */
export function hostsOf(caches: Pick<Caches, "hostsByTrait">, policy: BackupPolicy): Host[] {
  const found = new Map<Key, Host>();
  for (const trait of traitsWanted(policy.spec.hosts)) {
    for (const host of caches.hostsByTrait(traitKey(policy.metadata.namespace, trait))) {
      if (selects(policy, host)) found.set(keyOf(host), host);
    }
  }
  return [...found.values()].sort(byName);
}

/** The key of what `object` names, which is in its own namespace. */
export function beside(object: KubeObject, name: string): Key {
  return keyOf({ metadata: { namespace: object.metadata.namespace, name } });
}

function active(object: KubeObject & { readonly status?: { phase?: string } }, name: string): Key[] {
  return isTerminal(object.status?.phase) ? [] : [beside(object, name)];
}

function withoutLogTail<T extends KubeObject & { readonly status?: { logTail?: string } }>(object: T): T {
  if (object.status?.logTail === undefined) return object;
  const { logTail: _, ...status } = object.status;
  return { ...object, status };
}

function list(value: string | undefined): string[] {
  return value === undefined ? [] : [value];
}

function byName(a: KubeObject, b: KubeObject): number {
  return a.metadata.name < b.metadata.name ? -1 : 1;
}

/** The hosts whose configuration has to do with a repository. */
export function hostKeysOf(caches: Pick<Caches, "policiesByRepository" | "hostsByTrait">, repository: Key): Key[] {
  return caches.policiesByRepository(repository).flatMap((policy) => hostsOf(caches, policy).map(keyOf));
}
