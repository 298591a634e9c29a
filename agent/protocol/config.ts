import { z } from "zod";
import { canonical, sha256 } from "./canonical.ts";
import * as field from "./fields.ts";
import { MAX_PATHS, MAX_PATTERNS, MAX_POLICIES, MAX_TAGS } from "./limits.ts";

/** Where a policy's slots lie. Times are computed by slots.ts on both sides. */
const schedulePlan = z.object({
  cron: z.string().min(1).max(128),
  /** IANA name. */
  timeZone: z.string().min(1).max(64),
  jitterMs: field.durationMs,
  suspend: z.boolean(),
  /** How late a missed slot may still be caught up; absent: the interval of the schedule. */
  startingDeadlineMs: field.durationMs.optional(),
});

export const filesPlan = z.object({
  paths: z.array(field.path).min(1).max(MAX_PATHS),
  minFiles: field.count.optional(),
  requireMountpoint: z.boolean(),
  exclude: z.array(field.argument).max(MAX_PATTERNS),
  excludeIfPresent: z.array(field.argument).max(MAX_PATTERNS),
  excludeCaches: z.boolean(),
  excludeLargerThanBytes: z.int().min(1).optional(),
  oneFileSystem: z.boolean(),
});
export type FilesPlan = z.infer<typeof filesPlan>;

const resticOptions = z.object({
  compression: z.enum(["auto", "off", "fastest", "better", "max"]).optional(),
  packSizeMiB: z.int().min(4).max(128).optional(),
  readConcurrency: z.int().min(1).max(64).optional(),
  skipIfUnchanged: z.boolean(),
});

/** One policy as one host is to carry it out: everything resolved, defaults filled in. */
export const policyPlan = z.object({
  uid: field.uid,
  name: field.name,
  /** No slot before this is ever caught up. */
  createdTime: field.time,
  /** The name of one of the config's repositories. */
  repository: field.name,
  files: filesPlan,
  schedule: schedulePlan.optional(),
  timeoutMs: field.durationMs,
  retries: z.int().min(0).max(10),
  limits: field.limits,
  tags: z.array(field.tag).max(MAX_TAGS),
  restic: resticOptions,
});
export type PolicyPlan = z.infer<typeof policyPlan>;

/** A policy the operator cannot resolve just now: the agent goes on with what it has. */
export const keptPolicy = z.object({ uid: field.uid, keepLastApplied: z.literal(true), reason: field.message });
export type KeptPolicy = z.infer<typeof keptPolicy>;

/** Where the key comes from: sent by the operator, or read on the host (`env:NAME`, `file:/path`) and never known to it. */
const passwordSource = z.union([
  z.object({ value: z.string().min(1).max(4096) }),
  z.object({
    host: z
      .string()
      .max(1024)
      .regex(/^(env:[A-Za-z_][A-Za-z0-9_]*|file:\/.+)$/),
  }),
]);

/** What a host needs to open one repository. Holds secrets: never logged, sealed at rest. */
export const repositoryAccess = z.object({
  uid: field.uid,
  name: field.name,
  url: z.string().min(1).max(1024),
  password: passwordSource,
  /** Backend credentials and settings (RESTIC_REST_USERNAME, AWS_ACCESS_KEY_ID, ...). */
  env: z.record(
    z
      .string()
      .regex(/^[A-Za-z_][A-Za-z0-9_]*$/)
      .max(128),
    z.string().max(16384),
  ),
  /** PEM; replaces the system's certificate authorities for this repository. */
  ca: z.string().max(65536).optional(),
  /** The repository's own id, pinned; absent only for the task that is to find it out. */
  repositoryID: field.resticID.optional(),
});
export type RepositoryAccess = z.infer<typeof repositoryAccess>;

/** A host's whole desired configuration: never a delta. */
export const config = z.object({
  id: field.digest,
  clusterID: z.string().min(1).max(64),
  host: z.object({
    uid: field.uid,
    namespace: field.namespace,
    name: field.name,
    paused: z.boolean(),
    limits: field.limits,
  }),
  policies: z.array(z.union([keptPolicy, policyPlan])).max(MAX_POLICIES),
  /** Policies the agent holds and is to forget. It refuses a config that loses a policy without naming it here. */
  tombstones: z.array(field.uid).max(1024),
  repositories: z.array(repositoryAccess).max(MAX_POLICIES),
});
export type Config = z.infer<typeof config>;

/** A version of a secret that says nothing of its value: the Secret's UID and resourceVersion. */
export type SecretVersions = Readonly<Record<string, string>>;

/**
 * The id of a configuration: the SHA-256 of its canonical form with each repository's secrets replaced by
 * `secretVersions[repository name]`, because an id stands in status and a hash over passwords could be searched for weak
 * ones. Tombstones do not count: a config is the same before and after the agent has forgotten what they name.
 */
export function configID(plan: Omit<Config, "id">, secretVersions: SecretVersions): string {
  const { tombstones: _, ...rest } = plan;
  const repositories = plan.repositories.map(({ password, env, ca: _ca, ...open }) => ({
    ...open,
    ...("host" in password ? { password } : {}),
    env: Object.keys(env).sort(),
    secrets: secretVersions[open.name] ?? "",
  }));
  return sha256(canonical({ ...rest, repositories }));
}
