import { randomBytes } from "node:crypto";
import type { Clock } from "#base/clock.ts";
import { messageOf } from "#base/errors.ts";
import type { Host } from "#crds/host.ts";
import type { Repository } from "#crds/repository.ts";
import type { RepositoryAccess } from "#protocol/config.ts";
import { beside, type Caches, hostKeysOf, hostsOf, policiesOf } from "../controllers/caches.ts";
import { reachabilityChanged } from "../controllers/host/reachability.ts";
import type { Planned } from "../controllers/host/readiness.ts";
import type { Planner } from "../controllers/host/reconcile.ts";
import type { Resolved } from "../controllers/repository/access.ts";
import { openingChanged } from "../controllers/repository/opening.ts";
import { isOpened } from "../controllers/repository/readiness.ts";
import { doubtSecrets } from "../controllers/repository/secret-doubts.ts";
import type { SecretReader } from "../controllers/repository/secret-reader.ts";
import { findCondition, isTrue } from "../kube/conditions.ts";
import type { Log } from "../kube/log.ts";
import { generationChanged } from "../kube/predicates.ts";
import { keyOf } from "../kube/resource.ts";
import { commandsFor } from "./desired.ts";
import { carriedOut, type Plan, planFor } from "./plan.ts";
import type { Desired, DesiredSource, HostIdentity, HostKey } from "./ports.ts";
import { TaskTries } from "./task-tries.ts";

const NOTHING: Desired = { commands: [] };

/** Reads from the caches and the Secrets what each agent should hold and do; the decisions are plan.ts and desired.ts. */
export class DesiredConfigurations implements DesiredSource, Planner {
  readonly tries: TaskTries;
  readonly #caches: Caches;
  readonly #secrets: SecretReader;
  readonly #clusterID: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #lastID = new Map<HostKey, string>();

  /** `refresh`: the hub's; called when a host is to be asked about again. */
  constructor(parts: {
    readonly caches: Caches;
    readonly secrets: SecretReader;
    readonly clusterID: string;
    readonly refresh: (host: HostKey) => void;
    readonly clock: Clock;
    readonly log: Log;
  }) {
    this.#caches = parts.caches;
    this.#secrets = parts.secrets;
    this.#clusterID = parts.clusterID;
    this.#clock = parts.clock;
    this.#log = parts.log;
    const newID = () => randomBytes(4).toString("hex");
    this.tries = new TaskTries({ clock: parts.clock, newID, due: parts.refresh });
    this.#watch(parts.refresh);
    doubtSecrets(parts.caches, parts.secrets);
  }

  async desired(identity: HostIdentity, held: readonly string[]): Promise<Desired> {
    const key = keyOf({ metadata: identity });
    const host = this.#caches.hosts.get(key);
    if (!this.#synced() || host?.metadata.uid !== identity.uid) return NOTHING;
    if (host.spec.revoked === true || isTrue(host.status?.conditions, "IdentityConflict")) return NOTHING;
    const { plan, ready } = await this.#plan(host, held);
    const commands = commandsFor({
      clusterID: this.#clusterID,
      runs: this.#caches.activeRunsByHost(key).map((run) => {
        return { run, policy: this.#caches.policies.get(beside(run, run.spec.policyRef)) };
      }),
      startable: new Set("config" in plan ? carriedOut(plan.config).filter((uid) => ready.has(uid)) : []),
      restores: await this.#restores(key),
      openings: await this.#openings(host),
      now: this.#clock.now(),
    });
    if (!("config" in plan)) return { commands };
    // A Host deleted meanwhile is not remembered again: nothing would forget it.
    if (this.#caches.hosts.get(key)?.metadata.uid === identity.uid) this.#lastID.set(key, plan.config.id);
    return { config: plan.config, commands };
  }

  /** Id of the configuration last computed for a host here. */
  lastID(host: HostKey): string | undefined {
    return this.#lastID.get(host);
  }

  async planned(host: Host): Promise<Planned | undefined> {
    if (!this.#synced()) return undefined;
    const { plan, whole } = await this.#plan(host, []);
    if (!("config" in plan)) return plan;
    return whole ? { id: plan.config.id } : undefined;
  }

  /** `whole`: all that could be read was. `ready`: UIDs of the policies whose Repository is. */
  async #plan(host: Host, held: readonly string[]): Promise<{ plan: Plan; whole: boolean; ready: Set<string> }> {
    let whole = true;
    const ready = new Set<string>();
    const policies = policiesOf(this.#caches, host).map(async (policy) => {
      const repository = this.#caches.repositories.get(beside(policy, policy.spec.repository.name));
      const resolved = repository && (await this.#read(repository));
      if (repository !== undefined && resolved === undefined) whole = false;
      if (isTrue(repository?.status?.conditions, "Ready")) ready.add(policy.metadata.uid);
      return { policy, repository, resolved };
    });
    const plan = planFor({ clusterID: this.#clusterID, host, policies: await Promise.all(policies), held });
    return { plan, whole, ready };
  }

  async #restores(host: HostKey) {
    const restores = this.#caches.activeRestoresByHost(host).map(async (restore) => {
      const repository = this.#caches.repositories.get(beside(restore, restore.spec.source.repository));
      const ready = repository !== undefined && isTrue(repository.status?.conditions, "Ready");
      const resolved = ready ? await this.#read(repository) : undefined;
      return { restore, access: accessOf(resolved) };
    });
    return Promise.all(restores);
  }

  async #openings(host: Host) {
    const key = keyOf(host);
    const openings = [];
    for (const repository of this.#caches.repositoriesByInitializer(key)) {
      if (isOpened(repository)) this.tries.forget(keyOf(repository));
      else if (repository.status?.initializer?.hostUID === host.metadata.uid && !isDuplicate(repository)) {
        const resolved = await this.#read(repository);
        const deleted = this.#caches.repositories.get(keyOf(repository))?.metadata.uid !== repository.metadata.uid;
        if (resolved === undefined || !("access" in resolved) || deleted) continue;
        // Not for a restore's sake: an empty repository at a mistyped address holds nothing to restore.
        const used = this.#caches.policiesByRepository(keyOf(repository)).length > 0;
        const initialize = repository.spec.initialize === true && used;
        const id = this.tries.current(repository, key, resolved.versions, initialize);
        if (id !== undefined) openings.push({ id, access: resolved.access, initialize });
      }
    }
    return openings;
  }

  async #read(repository: Repository): Promise<Resolved | undefined> {
    try {
      return await this.#secrets.read(repository);
    } catch (error) {
      this.#log.warn({ repository: keyOf(repository), error: messageOf(error) }, "Secrets could not be read");
      return undefined;
    }
  }

  #synced(): boolean {
    const { hosts, policies, repositories, runs, restores } = this.#caches;
    return [hosts, policies, repositories, runs, restores].every((cache) => cache.hasSynced);
  }

  #watch(refresh: (host: HostKey) => void): void {
    const caches = this.#caches;
    const ofInitializer = (repository: Repository) => {
      const { hostRef } = repository.status?.initializer ?? {};
      if (hostRef !== undefined) refresh(beside(repository, hostRef));
    };
    const ofRepository = (repository: Repository) => {
      const key = keyOf(repository);
      ofInitializer(repository);
      for (const host of hostKeysOf(caches, key)) refresh(host);
      for (const restore of caches.activeRestoresByRepository(key))
        refresh(beside(restore, restore.spec.target.hostRef));
    };
    caches.hosts.onChange((change) => {
      if (change.type === "deleted") this.#lastID.delete(keyOf(change.object));
      if (reachabilityChanged(change)) refresh(keyOf(change.object));
    });
    caches.policies.onChange((change) => {
      if (!generationChanged(change)) return;
      const repository = caches.repositories.get(beside(change.object, change.object.spec.repository.name));
      if (repository !== undefined && !isOpened(repository)) ofInitializer(repository);
      for (const host of hostsOf(caches, change.object)) refresh(keyOf(host));
      if (change.type === "updated") for (const host of hostsOf(caches, change.old)) refresh(keyOf(host));
    });
    caches.repositories.onChange((change) => {
      if (change.type === "deleted") this.tries.forget(keyOf(change.object));
      const chosen = change.type === "updated" ? change.old.status?.initializer : undefined;
      const moved = chosen?.hostUID !== change.object.status?.initializer?.hostUID;
      if (moved || openingChanged(change)) ofRepository(change.object);
    });
    caches.runs.onChange((change) => {
      if (change.type !== "deleted" && generationChanged(change))
        refresh(beside(change.object, change.object.spec.hostRef));
    });
    caches.restores.onChange((change) => {
      const { object } = change;
      if (change.type !== "deleted" && generationChanged(change)) refresh(beside(object, object.spec.target.hostRef));
    });
    this.#secrets.onChange((key) => {
      const repository = caches.repositories.get(key);
      if (repository !== undefined) ofRepository(repository);
    });
  }
}

function accessOf(resolved: Resolved | undefined): RepositoryAccess | undefined {
  return resolved !== undefined && "access" in resolved ? resolved.access : undefined;
}

function isDuplicate(repository: Repository): boolean {
  return findCondition(repository.status?.conditions, "Ready")?.reason === "DuplicateRepository";
}
