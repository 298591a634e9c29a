import type { BackupPolicy, BackupPolicyStatus } from "#crds/backuppolicy.ts";
import type { Host } from "#crds/host.ts";
import { applyStatus, isUpToDate } from "../../kube/apply.ts";
import { conditions } from "../../kube/conditions.ts";
import { Controller, type ReconcileContext, watch } from "../../kube/controller.ts";
import type { EventRecorder } from "../../kube/events.ts";
import { isAlreadyExists, isConflict, isNotFound } from "../../kube/kube-error.ts";
import { annotationsChanged, anyOf, generationChanged } from "../../kube/predicates.ts";
import { type Key, keyOf } from "../../kube/resource.ts";
import { atOnce } from "../at-once.ts";
import { beside, type Caches, hostsOf, policiesOf } from "../caches.ts";
import { reachabilityChanged } from "../host/reachability.ts";
import { BackupPolicies, BackupRuns } from "../kinds.ts";
import { GATHER_MS, type Pace, SUMMARY_INTERVAL_MS, turn } from "../pace.ts";
import type { ControllerParts } from "../parts.ts";
import { type Readiness, readinessConditions } from "../readiness.ts";
import type { EventReason } from "../reasons.ts";
import { surplus } from "./history.ts";
import { policyReadiness } from "./readiness.ts";
import { isRequestedRun, requestedRun, runRequest } from "./requests.ts";
import { type Summary, summarize, summaryDifference } from "./summary.ts";
import { Timings } from "./timing.ts";
import { policyWriter } from "./writers.ts";

interface Memory {
  pace: Pace;
  readonly timings: Timings;
}

/** Says how each BackupPolicy goes, starts the runs it is asked for and keeps its history within limits. */
export function policyController(
  parts: ControllerParts & { caches: Caches; events: Pick<EventRecorder, "record"> },
): Controller {
  const { caches, events } = parts;
  const memories = new Map<Key, Memory>();
  const controller = new Controller({
    ...parts,
    name: "policy",
    // A request on a policy of 10,000 hosts creates 10,000 runs.
    deadlineMs: 300_000,
    watches: [
      watch(caches.policies, { when: anyOf(generationChanged, annotationsChanged) }),
      watch(caches.hosts, { when: reachabilityChanged, keys: (host) => policiesNaming(host, caches) }),
      watch(caches.repositories, { keys: (repository) => caches.policiesByRepository(keyOf(repository)).map(keyOf) }),
    ],
    async reconcile(key, ctx) {
      const policy = caches.policies.get(key);
      if (policy === undefined || policy.metadata.deletionTimestamp !== undefined) {
        memories.delete(key);
        return;
      }
      const memory = memories.get(key) ?? { pace: {}, timings: new Timings() };
      memories.set(key, memory);
      const hosts = hostsOf(caches, policy);

      const handled = await handleRequest(policy, hosts, events, ctx);
      const runs = caches.runsByPolicy(key);
      const now = ctx.clock.now();
      const { over, afterMs } = surplus(policy, runs, (name) => caches.hosts.get(beside(policy, name)), now);
      await atOnce(over, (run) =>
        ctx.client.delete(BackupRuns, run.metadata, { uid: run.metadata.uid }).catch((error: unknown) => {
          // Somebody else deleted it, or made another one of its name.
          if (!isNotFound(error) && !isConflict(error)) throw error;
        }),
      );

      const timings = memory.timings.of(policy, hosts, now);
      const repository = caches.repositories.get(beside(policy, policy.spec.repository.name));
      const unknownHosts = (policy.spec.hosts.names ?? []).filter((name) => !caches.hosts.get(beside(policy, name)));
      const readiness = policyReadiness(policy, { hosts, unknownHosts, repository });
      const summary = summarize({ policy, repository, readiness, hosts, timings, runs, now });
      const base = standing(policy, readiness, handled, now);
      const settled = { ...base, ...shown(policy.status ?? {}) };
      const [write, pace] = isUpToDate(policyWriter, policy.status ?? {}, settled)
        ? turn(memory.pace, summaryDifference(shown(policy.status ?? {}), summary, now), ctx.clock.monotonic())
        : [{ write: true } as const, { writtenAt: ctx.clock.monotonic() }];
      if (write.write) {
        const signal = { signal: ctx.signal };
        await applyStatus(ctx.client, BackupPolicies, policy, policyWriter, { ...base, ...summary }, signal);
      }
      memory.pace = pace;
      const next = timings.reduce(
        (first, timing) => Math.min(first, timing?.changesAt ?? first),
        Number.POSITIVE_INFINITY,
      );
      const slot = Math.min(afterMs, Math.max(SUMMARY_INTERVAL_MS, next - now));
      const requeueAfterMs = write.write ? slot : Math.min(slot, write.afterMs ?? slot);
      return Number.isFinite(requeueAfterMs) ? { requeueAfterMs } : {};
    },
  });
  caches.runs.onChange(({ object }) => controller.enqueue(beside(object, object.spec.policyRef), GATHER_MS));
  // Also while another replica leads, when nothing is reconciled here.
  caches.policies.onChange(({ type, object }) => {
    if (type === "deleted") memories.delete(keyOf(object));
  });
  caches.hosts.onChange((change) => {
    if (change.type !== "updated" || change.old.status === change.object.status) return;
    for (const policy of policiesOf(caches, change.object)) controller.enqueue(keyOf(policy), GATHER_MS);
  });
  return controller;
}

/** Of the policies a host could have to do with, also those that would select it but for its revocation. */
function policiesNaming(host: Host, caches: Caches): Key[] {
  const { revoked: _, ...spec } = host.spec;
  return policiesOf(caches, { ...host, spec }).map(keyOf);
}

/** Does what the annotation asks for; returns the value it has handled, now or before. */
async function handleRequest(
  policy: BackupPolicy,
  hosts: readonly Host[],
  events: Pick<EventRecorder, "record">,
  ctx: ReconcileContext,
): Promise<string | undefined> {
  const before = policy.status?.lastHandledRunRequest;
  const request = runRequest(policy);
  if (request === undefined) return before;
  if ("refused" in request) return before;
  const warn = (reason: EventReason, note: string) =>
    events.record(BackupPolicies, policy, { type: "Warning", reason, action: "StartRuns", note });
  if (hosts.length === 0) warn("RunRequestWithoutHosts", "a run was requested, but the policy selects no host");
  await atOnce(hosts, async (host) => {
    const draft = requestedRun(policy, host, request.value);
    try {
      await ctx.client.create(BackupRuns, draft);
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      const { namespace, name = "" } = draft.metadata;
      const existing = await ctx.client.get(BackupRuns, { namespace, name });
      if (isRequestedRun(existing, policy, host)) return;
      warn("RunNameTaken", `BackupRun ${name} is there already and not this policy's; delete it and request again`);
    }
  });
  return request.value;
}

/** The part of the status that is written as soon as it changes. */
function standing(
  policy: BackupPolicy,
  readiness: Readiness,
  handled: string | undefined,
  now: number,
): BackupPolicyStatus {
  const { generation } = policy.metadata;
  const drafts = readinessConditions(readiness, generation);
  return {
    ...(generation !== undefined && { observedGeneration: generation }),
    ...(handled !== undefined && { lastHandledRunRequest: handled }),
    conditions: conditions(policy.status?.conditions, drafts, now),
  };
}

function shown(status: BackupPolicyStatus): Summary {
  const { observedGeneration: _g, conditions: _c, lastHandledRunRequest: _h, ...summary } = status;
  return summary;
}
