import { isTerminal } from "#protocol/outcome.ts";
import { Controller, watch } from "../../kube/controller.ts";
import { keyOf } from "../../kube/resource.ts";
import { beside, type Caches } from "../caches.ts";
import { milliseconds } from "../duration.ts";
import { reachabilityChanged } from "../host/reachability.ts";
import { Hosts, Repositories, Restores } from "../kinds.ts";
import { decide } from "../one-shot/decide.ts";
import { cachedOrLive } from "../one-shot/live.ts";
import { oneShotOf, settle } from "../one-shot/settle.ts";
import { restoreWriter } from "../one-shot/writers.ts";
import type { ControllerParts } from "../parts.ts";
import { openingChanged } from "../repository/opening.ts";
import { restoreObstacle } from "./obstacle.ts";

/** Speaks of Restores when no agent can: before one has it, and when it is out of reach. */
export function restoreController(parts: ControllerParts & { caches: Caches }): Controller {
  const { caches } = parts;
  return new Controller({
    ...parts,
    name: "restore",
    watches: [
      watch(caches.restores, { when: ({ object }) => !isTerminal(object.status?.phase) }),
      watch(caches.hosts, {
        when: reachabilityChanged,
        keys: (host) => caches.activeRestoresByHost(keyOf(host)).map(keyOf),
      }),
      watch(caches.repositories, {
        when: openingChanged,
        keys: (repository) => caches.activeRestoresByRepository(keyOf(repository)).map(keyOf),
      }),
    ],
    async reconcile(key, ctx) {
      const restore = caches.restores.get(key);
      if (restore === undefined || restore.metadata.deletionTimestamp !== undefined) return;
      const { source, target, timeout = "24h" } = restore.spec;
      const { hosts, repositories } = caches;
      const host = await cachedOrLive(ctx.client, Hosts, hosts, beside(restore, target.hostRef));
      const repositoryKey = beside(restore, source.repository);
      const repository = await cachedOrLive(ctx.client, Repositories, repositories, repositoryKey);
      const obstacle = restoreObstacle(restore, { host, repository });
      return settle(ctx, Restores, restoreWriter, restore, (now, current) => {
        const one = oneShotOf(current, { timeoutMs: milliseconds(timeout), commanded: true });
        return decide(one, target.hostRef, host, obstacle, now);
      });
    },
  });
}
