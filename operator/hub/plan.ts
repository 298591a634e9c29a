import type { BackupPolicy } from "#crds/backuppolicy.ts";
import type { Host } from "#crds/host.ts";
import type { Repository } from "#crds/repository.ts";
import {
  type Config,
  configID,
  type KeptPolicy,
  type PolicyPlan,
  policyPlan,
  type RepositoryAccess,
  repositoryAccess,
} from "#protocol/config.ts";
import { MAX_POLICIES } from "#protocol/limits.ts";
import { milliseconds } from "../controllers/duration.ts";
import { scheduleProblem } from "../controllers/policy/readiness.ts";
import type { Resolved } from "../controllers/repository/access.ts";
import { findCondition } from "../kube/conditions.ts";

/** The agent takes no more tombstones in one config (agent/protocol/config.ts); the rest follow with the next. */
const MAX_TOMBSTONES = 1024;

export interface PlanInputs {
  readonly clusterID: string;
  readonly host: Host;
  /** Those that select the host, and what they refer to as far as it is there; `resolved` is undefined when Secrets could not be read. */
  readonly policies: readonly {
    readonly policy: BackupPolicy;
    readonly repository: Repository | undefined;
    readonly resolved: Resolved | undefined;
  }[];
  /** UIDs of the policies the agent holds. */
  readonly held: readonly string[];
}

export type Plan = { readonly config: Config } | { readonly reason: "ConfigTooLarge"; readonly message: string };

/**
 * The host's whole desired configuration. Every policy that selects it is in it: carried out as it stands, or, while that
 * cannot be said, kept as the agent has it (one it never had it passes over). What the agent holds and is not in it is
 * named by a tombstone, so that no outage here can erase a schedule there. The id does not depend on what the agent holds.
 */
export function planFor({ clusterID, host, policies, held }: PlanInputs): Plan {
  const { uid, namespace = "", name } = host.metadata;
  if (policies.length > MAX_POLICIES) {
    const message = `${policies.length} BackupPolicies select ${name}, and a host carries out at most ${MAX_POLICIES}; it keeps what it has until fewer do`;
    return { reason: "ConfigTooLarge", message };
  }
  const planned: (PolicyPlan | KeptPolicy)[] = [];
  const repositories = new Map<string, RepositoryAccess>();
  const versions: Record<string, string> = {};
  for (const { policy, repository, resolved } of policies) {
    const found = resolve(policy, repository, resolved);
    if ("reason" in found) {
      planned.push({ uid: policy.metadata.uid, keepLastApplied: true, reason: found.reason });
      continue;
    }
    planned.push(found.plan);
    repositories.set(found.access.name, found.access);
    versions[found.access.name] = found.versions;
  }
  const wanted = new Set(policies.map(({ policy }) => policy.metadata.uid));
  const whole: Omit<Config, "id"> = {
    clusterID,
    host: { uid, namespace, name, paused: host.spec.paused === true, limits: host.spec.limits ?? {} },
    policies: planned,
    tombstones: held.filter((held) => !wanted.has(held)).slice(0, MAX_TOMBSTONES),
    repositories: [...repositories.values()],
  };
  return { config: { id: configID(whole, versions), ...whole } };
}

/** UIDs of the policies a configuration says how to carry out. */
export function carriedOut(config: Config): string[] {
  return config.policies.flatMap((policy) => ("keepLastApplied" in policy ? [] : [policy.uid]));
}

type Found =
  | { readonly plan: PolicyPlan; readonly access: RepositoryAccess; readonly versions: string }
  | { readonly reason: string };

function resolve(policy: BackupPolicy, repository: Repository | undefined, resolved: Resolved | undefined): Found {
  const name = policy.spec.repository.name;
  const schedule = scheduleProblem(policy);
  if (schedule !== undefined) return { reason: schedule };
  if (repository === undefined) return { reason: `there is no Repository ${name}` };
  if (repository.status?.repositoryID === undefined) return { reason: `Repository ${name} was not opened yet` };
  if (findCondition(repository.status.conditions, "Ready")?.reason === "DuplicateRepository") {
    return { reason: `Repository ${name} is another one's duplicate` };
  }
  if (resolved === undefined) return { reason: `the Secrets of Repository ${name} cannot be read just now` };
  if (!("access" in resolved)) return { reason: resolved.problem.slice(0, 1024) };
  const plan = policyPlan.safeParse(planOf(policy));
  const access = repositoryAccess.safeParse(resolved.access);
  // The CRDs hold what is written to the same bounds; should they ever differ, it must not cost the host its whole configuration.
  if (!plan.success)
    return { reason: `the agent could not read ${plan.error.issues[0]?.path.map(String).join(".")} of it` };
  if (!access.success)
    return { reason: `the agent could not read ${String(access.error.issues[0]?.path[0])} of Repository ${name}` };
  return { plan: plan.data, access: access.data, versions: resolved.versions };
}

function planOf({ spec, metadata }: BackupPolicy): PolicyPlan {
  const { files, schedule, limits = {}, restic = {}, startingDeadlineSeconds } = spec;
  return {
    uid: metadata.uid,
    name: metadata.name,
    createdTime: metadata.creationTimestamp ?? "",
    repository: spec.repository.name,
    files: {
      paths: files.paths,
      ...(files.minFiles !== undefined && { minFiles: files.minFiles }),
      requireMountpoint: files.requireMountpoint === true,
      exclude: files.exclude ?? [],
      excludeIfPresent: files.excludeIfPresent ?? [],
      excludeCaches: files.excludeCaches === true,
      ...(files.excludeLargerThanBytes !== undefined && { excludeLargerThanBytes: files.excludeLargerThanBytes }),
      oneFileSystem: files.oneFileSystem === true,
    },
    ...(schedule !== undefined && {
      schedule: {
        cron: schedule,
        timeZone: spec.timeZone ?? "UTC",
        jitterMs: milliseconds(spec.jitter ?? "0s"),
        suspend: spec.suspend === true,
        ...(startingDeadlineSeconds !== undefined && { startingDeadlineMs: startingDeadlineSeconds * 1000 }),
      },
    }),
    timeoutMs: milliseconds(spec.timeout ?? "24h"),
    retries: spec.retries ?? 2,
    limits,
    tags: spec.tags ?? [],
    restic: { ...restic, skipIfUnchanged: restic.skipIfUnchanged === true },
  };
}
