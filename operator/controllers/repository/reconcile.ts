import type { Host } from "#crds/host.ts";
import type { RepositoryStatus } from "#crds/repository.ts";
import { applyStatus } from "../../kube/apply.ts";
import { conditions } from "../../kube/conditions.ts";
import { Controller, watch } from "../../kube/controller.ts";
import { generationChanged } from "../../kube/predicates.ts";
import { type Key, keyOf } from "../../kube/resource.ts";
import { beside, type Caches, hostsOf, policiesOf } from "../caches.ts";
import { reachabilityChanged } from "../host/reachability.ts";
import { Repositories } from "../kinds.ts";
import type { ControllerParts } from "../parts.ts";
import { readinessConditions } from "../readiness.ts";
import { alikeKeys, duplicateOf } from "./duplicates.ts";
import { chooseInitializer } from "./initializer.ts";
import { isOpened, repositoryReadiness } from "./readiness.ts";
import type { SecretReader } from "./secret-reader.ts";
import { repositoryWriter } from "./writers.ts";

/** Says of each Repository whether it can be used, and which host is to open it. */
export function repositoryController(parts: ControllerParts & { caches: Caches; secrets: SecretReader }): Controller {
  const { caches, secrets } = parts;
  const unopened = (keys: readonly Key[]) =>
    keys.filter((key) => {
      const repository = caches.repositories.get(key);
      return repository !== undefined && !isOpened(repository);
    });
  const controller = new Controller({
    ...parts,
    name: "repository",
    watches: [
      watch(caches.repositories, { keys: (repository) => [keyOf(repository), ...alikeKeys(repository, caches)] }),
      watch(caches.policies, {
        when: generationChanged,
        keys: (policy) => unopened([beside(policy, policy.spec.repository.name)]),
      }),
      watch(caches.restores, {
        when: generationChanged,
        keys: (restore) => unopened([beside(restore, restore.spec.source.repository)]),
      }),
      watch(caches.hosts, { when: reachabilityChanged, keys: (host) => unopened(repositoriesOf(host, caches)) }),
    ],
    async reconcile(key, ctx) {
      const repository = caches.repositories.get(key);
      if (repository === undefined || repository.metadata.deletionTimestamp !== undefined) return;
      const host = (name: string) => caches.hosts.get(beside(repository, name));
      const resolved = await secrets.read(repository);
      const policies = caches.policiesByRepository(key);
      const restores = caches.activeRestoresByRepository(key);
      const hosts = new Map<string, Host>();
      for (const policy of policies) for (const each of hostsOf(caches, policy)) hosts.set(each.metadata.name, each);
      // A repository that is there only to restore from is opened by a host that something is restored to.
      for (const restore of restores) {
        const target = host(restore.spec.target.hostRef);
        if (target !== undefined) hosts.set(target.metadata.name, target);
      }
      const initializer = chooseInitializer(repository, host, [...hosts.values()]);
      const readiness = repositoryReadiness(repository, {
        duplicateOf: duplicateOf(repository, caches),
        problem: "problem" in resolved ? resolved.problem : undefined,
        initializer: initializer && host(initializer.hostRef),
        policies: policies.map(({ metadata }) => metadata.name).sort(),
        hosts: [...hosts.keys()].sort(),
      });
      const { generation } = repository.metadata;
      const id = repository.status?.repositoryID?.slice(0, 8);
      const drafts = readinessConditions(readiness, generation);
      const status: RepositoryStatus = {
        ...(generation !== undefined && { observedGeneration: generation }),
        ...(initializer !== undefined && { initializer: { ...initializer } }),
        ...(id !== undefined && { display: { id } }),
        conditions: conditions(repository.status?.conditions, drafts, ctx.clock.now()),
      };
      await applyStatus(ctx.client, Repositories, repository, repositoryWriter, status, { signal: ctx.signal });
    },
  });
  secrets.onChange((repository) => controller.enqueue(repository));
  return controller;
}

function repositoriesOf(host: Host, caches: Caches): Key[] {
  const opens = caches.repositoriesByInitializer(keyOf(host)).map(keyOf);
  const uses = policiesOf(caches, host).map((policy) => beside(policy, policy.spec.repository.name));
  const restores = caches.activeRestoresByHost(keyOf(host)).map((each) => beside(each, each.spec.source.repository));
  return [...opens, ...uses, ...restores];
}
