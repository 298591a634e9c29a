import type { BackupRun, BackupRunStatus } from "#crds/backuprun.ts";
import type { Restore, RestoreStatus } from "#crds/restore.ts";
import { isTerminal } from "#protocol/outcome.ts";
import { applyStatus, type StatusWriter } from "../../kube/apply.ts";
import { conditions } from "../../kube/conditions.ts";
import type { ReconcileContext, ReconcileResult } from "../../kube/controller.ts";
import { isNotFound } from "../../kube/kube-error.ts";
import type { Kind } from "../../kube/resource.ts";
import { type OneShotState, oneShotConditions } from "./conditions.ts";
import type { OneShot, Verdict } from "./decide.ts";
import { oneShotDisplay } from "./display.ts";

/** The parts of a one-shot that the decision takes, of whichever kind. */
export function oneShotOf(one: BackupRun | Restore, rest: Pick<OneShot, "timeoutMs" | "commanded">): OneShot {
  const { spec, status, metadata } = one;
  const startedAt = status?.startTime === undefined ? undefined : Date.parse(status.startTime);
  return {
    phase: status?.phase ?? "Pending",
    reason: status?.reason ?? "",
    message: status?.message ?? "",
    createdAt: Date.parse(metadata.creationTimestamp ?? "") || 0,
    startedAt,
    startingDeadlineMs: (spec.startingDeadlineSeconds ?? 3600) * 1000,
    cancel: spec.cancel === true,
    ...rest,
  };
}

/**
 * Writes what the leader has decided. Decided once on the cache, and where that asks for a write again on the live object,
 * because the replica with the socket may have been faster and because the caches keep no log tails.
 */
export async function settle<T extends BackupRun | Restore>(
  ctx: ReconcileContext,
  kind: Kind<T>,
  writer: StatusWriter,
  cached: T,
  decision: (now: number, one: T) => Verdict,
): Promise<ReconcileResult> {
  let verdict = decision(ctx.clock.now(), cached);
  if (verdict.state !== undefined) {
    const live = await ctx.client.get(kind, cached.metadata).catch((error: unknown) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
    if (live?.metadata.uid !== cached.metadata.uid) return {};
    verdict = decision(ctx.clock.now(), live);
    if (verdict.state !== undefined) {
      const status = statusOf(live, verdict.state, ctx.clock.now());
      await applyStatus(ctx.client, kind, live, writer, status, { signal: ctx.signal });
    }
  }
  const { requeueAfterMs } = verdict;
  return requeueAfterMs === undefined ? {} : { requeueAfterMs };
}

/** The whole status with the leader's state in it. An end it supposes carries no attempts: see mayReplace. */
function statusOf(live: BackupRun | Restore, state: OneShotState, now: number): BackupRunStatus | RestoreStatus {
  const { attempts, display: _, ...status } = live.status ?? {};
  const { generation } = live.metadata;
  const ended = isTerminal(state.phase);
  return {
    ...status,
    ...(generation !== undefined && { observedGeneration: generation }),
    ...state,
    ...oneShotDisplay(live.spec, { ...status, ...state }),
    ...(ended && { completionTime: new Date(now).toISOString().replace(/\.\d{3}Z$/, "Z") }),
    ...(!ended && attempts !== undefined && { attempts }),
    conditions: conditions(live.status?.conditions, oneShotConditions(state, generation), now),
  };
}
