import type { BackupRun } from "#crds/backuprun.ts";
import { isTerminal } from "#protocol/outcome.ts";
import { Controller, watch } from "../../kube/controller.ts";
import { isConflict, isNotFound } from "../../kube/kube-error.ts";
import { generationChanged } from "../../kube/predicates.ts";
import { keyOf } from "../../kube/resource.ts";
import { beside, type Caches } from "../caches.ts";
import { milliseconds } from "../duration.ts";
import { reachabilityChanged } from "../host/reachability.ts";
import { BackupPolicies, BackupRuns, Hosts } from "../kinds.ts";
import { decide } from "../one-shot/decide.ts";
import { cachedOrLive } from "../one-shot/live.ts";
import { oneShotOf, settle } from "../one-shot/settle.ts";
import { runWriter } from "../one-shot/writers.ts";
import type { ControllerParts } from "../parts.ts";
import { endOf } from "../policy/history.ts";
import { openingChanged } from "../repository/opening.ts";
import { runObstacle } from "./obstacle.ts";

/** How long an ended run of a policy that is not there stays to be read (docs/decisions/runs-without-owner.md). */
const ORPHAN_KEPT_MS = 24 * 3_600_000;

/** Speaks of BackupRuns when no agent can: before one has it, and when it is out of reach. */
export function runController(parts: ControllerParts & { caches: Caches }): Controller {
  const { caches } = parts;
  const keys = (runs: readonly BackupRun[]) => runs.map(keyOf);
  return new Controller({
    ...parts,
    name: "run",
    workers: 4,
    watches: [
      watch(caches.runs, {
        when: ({ object }) => !isTerminal(object.status?.phase) || isOrphan(object, caches),
      }),
      watch(caches.hosts, { when: reachabilityChanged, keys: (host) => keys(caches.activeRunsByHost(keyOf(host))) }),
      watch(caches.policies, {
        when: (change) => change.type === "deleted" || generationChanged(change),
        keys: (policy) => {
          const key = keyOf(policy);
          return keys(
            caches.policies.get(key) === undefined ? caches.runsByPolicy(key) : caches.activeRunsByPolicy(key),
          );
        },
      }),
      watch(caches.repositories, {
        when: openingChanged,
        keys: (repository) =>
          caches
            .policiesByRepository(keyOf(repository))
            .flatMap((policy) => keys(caches.activeRunsByPolicy(keyOf(policy)))),
      }),
    ],
    async reconcile(key, ctx) {
      const run = caches.runs.get(key);
      if (run === undefined || run.metadata.deletionTimestamp !== undefined) return;
      if (isTerminal(run.status?.phase)) {
        if (!isOrphan(run, caches)) return;
        const wait = endOf(run) + ORPHAN_KEPT_MS - ctx.clock.now();
        if (wait > 0) return { requeueAfterMs: wait };
        await ctx.client.delete(BackupRuns, run.metadata, { uid: run.metadata.uid }).catch((error: unknown) => {
          if (!isNotFound(error) && !isConflict(error)) throw error;
        });
        return;
      }
      const { policies, hosts } = caches;
      const policy = await cachedOrLive(ctx.client, BackupPolicies, policies, beside(run, run.spec.policyRef));
      const host = await cachedOrLive(ctx.client, Hosts, hosts, beside(run, run.spec.hostRef));
      const repository = policy && caches.repositories.get(beside(policy, policy.spec.repository.name));
      const timeoutMs = milliseconds(policy?.spec.timeout ?? "24h");
      return settle(ctx, BackupRuns, runWriter, run, (now, current) =>
        decide(
          oneShotOf(current, {
            timeoutMs,
            commanded: current.spec.trigger !== "Schedule" && current.spec.trigger !== "CatchUp",
          }),
          current.spec.hostRef,
          host,
          runObstacle(current, { policy, host, repository }),
          now,
        ),
      );
    },
  });
}

/** Runs that the operator makes are owned by their policy and go with it; these are those that people made. */
function isOrphan(run: BackupRun, caches: Caches): boolean {
  return caches.policies.get(beside(run, run.spec.policyRef)) === undefined;
}
