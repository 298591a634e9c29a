import type { Host, HostStatus } from "#crds/host.ts";
import { applyStatus, isUpToDate } from "../../kube/apply.ts";
import { conditions } from "../../kube/conditions.ts";
import { Controller, watch } from "../../kube/controller.ts";
import { generationChanged } from "../../kube/predicates.ts";
import { type Key, keyOf } from "../../kube/resource.ts";
import { beside, type Caches, hostKeysOf, hostsOf, policiesOf } from "../caches.ts";
import { Hosts } from "../kinds.ts";
import { GATHER_MS, type Pace, turn } from "../pace.ts";
import type { ControllerParts } from "../parts.ts";
import { timing } from "../policy/timing.ts";
import { type Readiness, readinessConditions } from "../readiness.ts";
import { openingChanged } from "../repository/opening.ts";
import type { SecretReader } from "../repository/secret-reader.ts";
import { hostReadiness, type Planned } from "./readiness.ts";
import { configWhileAway } from "./session-part.ts";
import { type Summary, summarize, summaryDifference } from "./summary.ts";
import { hostWriter, sessionWriter } from "./writers.ts";

/** What the hub would send the host now; undefined while it cannot be computed (API server away). */
export interface Planner {
  planned(host: Host): Promise<Planned | undefined>;
}

/** Says of each Host how it is, which configuration it should have and how its policies went. */
export function hostController(
  parts: ControllerParts & { caches: Caches; planner: Planner; secrets: Pick<SecretReader, "onChange"> },
): Controller {
  const { caches, planner, secrets } = parts;
  const paces = new Map<Key, Pace>();
  const controller = new Controller({
    ...parts,
    name: "host",
    workers: 4,
    watches: [
      watch(caches.hosts),
      watch(caches.policies, { when: generationChanged, keys: (policy) => hostsOf(caches, policy).map(keyOf) }),
      watch(caches.repositories, {
        when: openingChanged,
        keys: (repository) => hostKeysOf(caches, keyOf(repository)),
      }),
    ],
    async reconcile(key, ctx) {
      const host = caches.hosts.get(key);
      if (host === undefined || host.metadata.deletionTimestamp !== undefined) {
        paces.delete(key);
        return;
      }
      const live = host.status ?? {};
      const now = ctx.clock.now();
      const planned = await planner.planned(host);
      const readiness = hostReadiness(host, planned);
      const policies = policiesOf(caches, host).map((policy) => ({
        policy,
        repository: caches.repositories.get(beside(policy, policy.spec.repository.name)),
        timing: timing(policy, host, now),
      }));
      const summary = summarize({ host, readiness, policies, runs: caches.runsByHost(key) });
      const base = standing(host, readiness, planned, now);

      const mono = ctx.clock.monotonic();
      const [write, pace] = isUpToDate(hostWriter, live, { ...base, ...shown(live) })
        ? turn(paces.get(key) ?? {}, summaryDifference(live, summary), mono)
        : [{ write: true } as const, { writtenAt: mono }];
      const { signal } = ctx;
      const status = { ...base, ...summary };
      const object = write.write
        ? (await applyStatus(ctx.client, Hosts, host, hostWriter, status, { signal })).object
        : host;
      const away = configWhileAway(object, base.config?.desired, now);
      if (away !== undefined) await applyStatus(ctx.client, Hosts, object, sessionWriter, away, { signal });
      paces.set(key, pace);
      return write.write || write.afterMs === undefined ? {} : { requeueAfterMs: write.afterMs };
    },
  });
  caches.runs.onChange(({ object }) => controller.enqueue(beside(object, object.spec.hostRef), GATHER_MS));
  // Also while another replica leads, when nothing is reconciled here.
  caches.hosts.onChange(({ type, object }) => {
    if (type === "deleted") paces.delete(keyOf(object));
  });
  secrets.onChange((repository) => {
    for (const host of hostKeysOf(caches, repository)) controller.enqueue(host);
  });
  return controller;
}

/** The part of the status that is written as soon as it changes. */
function standing(host: Host, readiness: Readiness, planned: Planned | undefined, now: number): HostStatus {
  const { generation } = host.metadata;
  // While it cannot be computed, and where none can be made, the last one stands.
  const desired = planned !== undefined && "id" in planned ? planned.id : host.status?.config?.desired;
  const drafts = readinessConditions(readiness, generation);
  return {
    ...(generation !== undefined && { observedGeneration: generation }),
    ...(desired !== undefined && { config: { desired } }),
    conditions: conditions(host.status?.conditions, drafts, now),
  };
}

function shown({ policies, lastSuccessfulTime, display }: HostStatus): Summary {
  return {
    ...(policies && { policies }),
    ...(lastSuccessfulTime && { lastSuccessfulTime }),
    ...(display && { display }),
  };
}
