import type { BackupRun } from "#crds/backuprun.ts";
import type { Condition } from "#crds/meta.ts";
import { isTerminal } from "#protocol/outcome.ts";
import { findCondition } from "../../kube/conditions.ts";
import type { EventNote, EventRecorder } from "../../kube/events.ts";
import type { Informer } from "../../kube/informer.ts";
import type { Informers } from "../../kube/informers.ts";
import { type KubeObject, referenceTo } from "../../kube/resource.ts";
import { beside, type Caches } from "../caches.ts";
import { BackupPolicies, BackupRuns, Hosts } from "../kinds.ts";
import { lastOn } from "../policy/summary.ts";
import { overdueEvent, requestEvent } from "./policies.ts";
import { ReadinessEvents, type Standing } from "./readiness.ts";
import { pinnedEvent } from "./repositories.ts";
import { restoreEvent } from "./restores.ts";
import { runEvent } from "./runs.ts";
import { enrolledEvent } from "./tokens.ts";

export interface EventObserverParts {
  readonly informers: Pick<Informers, "synced">;
  readonly caches: Caches;
  readonly events: Pick<EventRecorder, "record">;
}

/**
 * Tells what has happened to the resources, as Events. It looks at changes of the caches only, whoever made them: what
 * stands as it stood is told by nobody, not after a change of the leader either. In return a change in the seconds without
 * a leader is not told; what must be known is in the statuses.
 */
export class EventObserver {
  readonly #informers: Pick<Informers, "synced">;
  readonly #caches: Caches;
  readonly #events: Pick<EventRecorder, "record">;
  #readiness = new ReadinessEvents();

  constructor(parts: EventObserverParts) {
    this.#informers = parts.informers;
    this.#caches = parts.caches;
    this.#events = parts.events;
  }

  /** On the leader, until the signal aborts. */
  async run(stop: AbortSignal): Promise<void> {
    // What is there when it begins is not news.
    await this.#informers.synced(stop).catch(() => undefined);
    if (stop.aborted) return;
    // What another leader told meanwhile is not known here.
    this.#readiness = new ReadinessEvents();
    const { hosts, tokens, repositories, policies, runs, restores } = this.#caches;
    const ends = [
      this.#watch(hosts, (before, after) => [this.#ready("Host", before, after)]),
      this.#watch(tokens, (before, after) => [
        enrolledEvent(before, after),
        this.#ready("EnrollmentToken", before, after),
      ]),
      this.#watch(repositories, (before, after) => [
        pinnedEvent(before, after),
        this.#ready("Repository", before, after),
      ]),
      this.#watch(policies, (before, after) => [
        this.#ready("BackupPolicy", before, after),
        overdueEvent(before, after),
        requestEvent(before, after),
      ]),
      this.#watch(restores, (before, after) => {
        if (isTerminal(before?.status?.phase)) return [];
        const host = this.#caches.hosts.get(beside(after, after.spec.target.hostRef));
        const note = restoreEvent(after);
        return [note && (host === undefined ? note : { ...note, related: referenceTo(Hosts, host) })];
      }),
      this.#watch(runs, (before, after) => {
        if (!isTerminal(before?.status?.phase)) this.#tellRun(after);
        return [];
      }),
    ];
    await new Promise((resolve) => stop.addEventListener("abort", resolve, { once: true }));
    for (const end of ends) end();
  }

  #watch<T extends KubeObject>(
    informer: Informer<T>,
    notes: (before: T | undefined, after: T) => readonly (EventNote | undefined)[],
  ): () => void {
    let present = true;
    const end = informer.onChange((change) => {
      if (change.type === "deleted") this.#readiness.forget(change.object.metadata.uid);
      if (present || change.type === "deleted") return;
      const before = change.type === "updated" ? change.old : undefined;
      for (const note of notes(before, change.object)) {
        if (note !== undefined) this.#events.record(informer.kind, change.object, note);
      }
    });
    present = false;
    return end;
  }

  #ready(kind: Standing["kind"], before: Judged | undefined, after: Judged): EventNote | undefined {
    const of = (object: Judged | undefined) => findCondition(object?.status?.conditions, "Ready");
    const { name, uid } = after.metadata;
    return this.#readiness.of(uid, { kind, name, before: of(before), after: of(after) });
  }

  /** On the policy, whose one Event counts all its hosts, and on the host; on the run only where it names neither. */
  #tellRun(run: BackupRun): void {
    const policy = this.#caches.policies.get(beside(run, run.spec.policyRef));
    const host = this.#caches.hosts.get(beside(run, run.spec.hostRef));
    if (policy === undefined || host === undefined) {
      const note = runEvent(run, { lastPhase: undefined, lastSuccess: undefined });
      if (note !== undefined) this.#events.record(BackupRuns, run, note);
      return;
    }
    const others = this.#caches
      .runsByHost(beside(run, run.spec.hostRef))
      .filter(({ spec, metadata }) => spec.policyRef === run.spec.policyRef && metadata.uid !== run.metadata.uid);
    const note = runEvent(run, lastOn(host, policy, others));
    if (note === undefined) return;
    this.#events.record(BackupPolicies, policy, { ...note, related: referenceTo(Hosts, host) });
    const cause = `${run.spec.policyRef}/${note.cause ?? ""}`;
    this.#events.record(Hosts, host, { ...note, cause, related: referenceTo(BackupRuns, run) });
  }
}

type Judged = KubeObject & { readonly status?: { readonly conditions?: readonly Condition[] } };
