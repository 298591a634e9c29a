import type { BackupPolicy } from "#crds/backuppolicy.ts";
import type { BackupRun } from "#crds/backuprun.ts";
import type { EnrollmentToken } from "#crds/enrollmenttoken.ts";
import type { Host } from "#crds/host.ts";
import type { Condition } from "#crds/meta.ts";
import type { Repository } from "#crds/repository.ts";
import type { Restore } from "#crds/restore.ts";
import type { EventNote } from "../kube/events.ts";

/** Objects for the tables of the decisions, as the API server would have filled them in. */
interface Parts<Spec, Status> {
  readonly namespace?: string;
  readonly uid?: string;
  readonly labels?: Record<string, string>;
  readonly annotations?: Record<string, string>;
  /** Milliseconds since 1970. */
  readonly created?: number;
  readonly generation?: number;
  readonly spec?: Partial<Spec>;
  readonly status?: NonNullable<Status>;
}

/** 2026-11-21T12:00:00Z: when the objects were made and "now" begins. */
export const NOON = Date.UTC(2026, 10, 21, 12);
const API = "holdfast.dev/v1alpha1" as const;

export function at(ms: number): string {
  return new Date(ms).toISOString().replace(".000Z", "Z");
}

function metadata(name: string, kind: string, parts: Parts<unknown, unknown>) {
  return {
    name,
    namespace: parts.namespace ?? "team",
    uid: parts.uid ?? `${kind}-${name}`,
    resourceVersion: "1",
    generation: parts.generation ?? 1,
    creationTimestamp: at(parts.created ?? NOON),
    ...(parts.labels && { labels: parts.labels }),
    ...(parts.annotations && { annotations: parts.annotations }),
  };
}

export function hostOf(name: string, parts: Parts<Host["spec"], Host["status"]> = {}): Host {
  const spec = { paused: false, revoked: false, ...parts.spec };
  const host: Host = { apiVersion: API, kind: "Host", metadata: metadata(name, "host", parts), spec };
  return parts.status === undefined ? host : { ...host, status: parts.status };
}

export function condition(type: string, status: Condition["status"], reason = "Because", message = ""): Condition {
  return { type, status, reason, message, lastTransitionTime: at(NOON) };
}

/** A host with a session on replica `op-1`. */
export function connectedHost(name: string, parts: Parts<Host["spec"], Host["status"]> = {}): Host {
  const status = {
    session: { epoch: 3, replica: "op-1", connectedTime: at(NOON) },
    lastSeenTime: at(NOON),
    conditions: [condition("Connected", "True")],
    ...parts.status,
  };
  return hostOf(name, { ...parts, status });
}

/** A host that has been out of reach since `since`. */
export function lostHost(name: string, since: number): Host {
  const session = { epoch: 3, replica: "op-1", connectedTime: at(NOON), disconnectedTime: at(since) };
  const status = { session, lastSeenTime: at(since), conditions: [condition("Connected", "False", "Disconnected")] };
  return hostOf(name, { status });
}

export function policyOf(name: string, parts: Parts<BackupPolicy["spec"], BackupPolicy["status"]> = {}): BackupPolicy {
  const spec = {
    hosts: { selector: {} },
    repository: { kind: "Repository" as const, name: "offsite" },
    files: { paths: ["/srv"], requireMountpoint: false, excludeCaches: false, oneFileSystem: false },
    timeZone: "UTC",
    suspend: false,
    timeout: "24h",
    retries: 2,
    successfulRunsHistoryLimit: 3,
    failedRunsHistoryLimit: 1,
    ...parts.spec,
  };
  const policy: BackupPolicy = {
    apiVersion: API,
    kind: "BackupPolicy",
    metadata: metadata(name, "policy", parts),
    spec,
  };
  return parts.status === undefined ? policy : { ...policy, status: parts.status };
}

export function repositoryOf(name: string, parts: Parts<Repository["spec"], Repository["status"]> = {}): Repository {
  const spec = {
    url: `rest:https://backup.example.com/${name}/`,
    passwordFrom: { secretKeyRef: { name: `${name}-password`, key: "password" } },
    initialize: true,
    ...parts.spec,
  };
  const made: Repository = { apiVersion: API, kind: "Repository", metadata: metadata(name, "repository", parts), spec };
  return parts.status === undefined ? made : { ...made, status: parts.status };
}

/** An Event as kubectl shows it. */
export function told(event: EventNote | undefined): string | undefined {
  return event && `${event.type} ${event.reason} (${event.action}) ${event.note}`;
}

export const RESTIC_ID = "5f".repeat(32);

/** A repository that was opened and whose id is pinned. */
export function readyRepository(name: string, parts: Parts<Repository["spec"], Repository["status"]> = {}): Repository {
  const status = {
    repositoryID: RESTIC_ID,
    initializer: { hostRef: "web-1", hostUID: "host-web-1" },
    lastOpen: { phase: "Succeeded" as const, hostRef: "web-1", observedGeneration: 1, time: at(NOON) },
    conditions: [condition("Ready", "True")],
    ...parts.status,
  };
  return repositoryOf(name, { ...parts, status });
}

export function runOf(name: string, parts: Parts<BackupRun["spec"], BackupRun["status"]> = {}): BackupRun {
  const spec = {
    policyRef: "www",
    hostRef: "web-1",
    trigger: "Manual" as const,
    startingDeadlineSeconds: 3600,
    cancel: false,
    ...parts.spec,
  };
  const status = { phase: "Pending" as const, ...parts.status };
  return { apiVersion: API, kind: "BackupRun", metadata: metadata(name, "run", parts), spec, status };
}

export function restoreOf(name: string, parts: Parts<Restore["spec"], Restore["status"]> = {}): Restore {
  const spec = {
    source: { repository: "offsite", policy: "www", source: "files", snapshot: "latest" },
    target: { hostRef: "web-1", path: "/var/lib/holdfast/restore/www" },
    overwrite: "Never" as const,
    verify: false,
    dryRun: false,
    timeout: "24h",
    startingDeadlineSeconds: 3600,
    cancel: false,
    ...parts.spec,
  };
  const status = { phase: "Pending" as const, ...parts.status };
  return { apiVersion: API, kind: "Restore", metadata: metadata(name, "restore", parts), spec, status };
}

export function tokenOf(
  name: string,
  parts: Parts<EnrollmentToken["spec"], EnrollmentToken["status"]> = {},
): EnrollmentToken {
  const spec = { ttl: "1h", maxUses: 1, reenroll: false, ...parts.spec };
  const uid = parts.uid ?? "00000000-0000-4000-8000-000000000001";
  const token: EnrollmentToken = {
    apiVersion: API,
    kind: "EnrollmentToken",
    metadata: metadata(name, "token", { ...parts, uid }),
    spec,
  };
  return parts.status === undefined ? token : { ...token, status: parts.status };
}
