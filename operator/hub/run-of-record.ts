import type { BackupPolicy } from "#crds/backuppolicy.ts";
import type { BackupRun } from "#crds/backuprun.ts";
import { runID, runName } from "#protocol/names.ts";
import type { RunRecord } from "#protocol/record.ts";
import { type Caches, policiesOf } from "../controllers/caches.ts";
import { BackupPolicies, BackupRuns, Hosts } from "../controllers/kinds.ts";
import { selects } from "../controllers/selection.ts";
import type { Client } from "../kube/client.ts";
import { isAlreadyExists, isNotFound } from "../kube/kube-error.ts";
import type { Log } from "../kube/log.ts";
import { keyOf, ownerReference } from "../kube/resource.ts";
import { audit } from "./audit.ts";
import type { HostIdentity, WriteResult } from "./ports.ts";
import { instant } from "./session-status.ts";

/** A slot later than this has not come yet; as far off as a clock may be before ClockInSync is False. */
const AHEAD_MS = 5 * 60_000;

export interface RunParts {
  readonly client: Client;
  readonly caches: Caches;
  readonly log: Log;
}

export type Found<T> = { readonly object: T } | { readonly answer: WriteResult };

const gone = { answer: { result: "superseded" } } as const;

function forbidden(message: string): { readonly answer: WriteResult } {
  return { answer: { result: "forbidden", message } };
}

/** The BackupRun a record of this host speaks of; that of a slot is created here. `fresh`: not from the cache. */
export function runOfRecord(
  parts: RunParts,
  host: HostIdentity,
  record: RunRecord,
  now: number,
  fresh: boolean,
  signal: AbortSignal,
): Promise<Found<BackupRun>> {
  if (record.trigger === "Manual") return manualRun(parts, host, record, fresh, signal);
  return scheduledRun(parts, host, record, now, fresh, signal);
}

async function manualRun(
  parts: RunParts,
  host: HostIdentity,
  record: RunRecord,
  fresh: boolean,
  signal: AbortSignal,
): Promise<Found<BackupRun>> {
  // Another one of its name in the cache may be the one before it; only the API server can say that ours is gone.
  const known = ({ metadata }: BackupRun) => !fresh && metadata.uid === record.uid;
  const run = await read(parts, host.namespace, record.name, known, signal);
  if (run === undefined || run.metadata.uid !== record.uid) return gone;
  if (run.spec.hostRef !== host.name || run.spec.trigger !== "Manual") {
    return forbidden(`BackupRun ${record.name} is not a manual run of Host ${host.name}`);
  }
  return { object: run };
}

async function scheduledRun(
  parts: RunParts,
  host: HostIdentity,
  record: RunRecord,
  now: number,
  fresh: boolean,
  signal: AbortSignal,
): Promise<Found<BackupRun>> {
  const { client, log } = parts;
  const slot = Date.parse(record.scheduledTime ?? "");
  // Uid and name are never the agent's to choose: they follow from policy, host and slot.
  const of = { policyUID: record.policy.uid, hostUID: host.uid, occasion: Number.isNaN(slot) ? "" : instant(slot) };
  if (record.uid !== runID(of) || record.name !== runName(record.policy.name, host.name, of)) {
    return forbidden(`${record.name} is not what a run of this policy, host and slot is called`);
  }
  if (slot > now + AHEAD_MS) {
    return forbidden(`the slot ${of.occasion} has not come yet; set up time synchronisation on the host`);
  }
  const policy = await policyOf(parts, host, record, signal);
  if (policy === undefined) return gone;
  if (!concerns(parts.caches, policy, host) && !(await selectsNow(parts, policy, host, signal)))
    return forbidden(`BackupPolicy ${policy.metadata.name} is not one of Host ${host.name}`);
  const present = await read(parts, host.namespace, record.name, () => !fresh, signal);
  if (present !== undefined) {
    const { hostRef, policyRef, runID: id } = present.spec;
    const ours = hostRef === host.name && policyRef === record.policy.name && id === record.uid;
    return ours ? { object: present } : forbidden(`BackupRun ${record.name} is of another host, policy or slot`);
  }
  const owner = ownerReference(BackupPolicies, policy);
  const metadata = { namespace: host.namespace, name: record.name, ownerReferences: [owner] };
  const spec = {
    policyRef: record.policy.name,
    hostRef: host.name,
    trigger: record.trigger,
    runID: record.uid,
    scheduledTime: of.occasion,
  };
  try {
    const object = await client.create(BackupRuns, { metadata, spec }, { signal });
    audit(log, "run-created", object, { host: host.name });
    return { object };
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    return scheduledRun(parts, host, record, now, true, signal);
  }
}

/** The policy by name and UID; undefined: deleted, or deleted and created again. */
async function policyOf(
  { caches, client }: RunParts,
  host: HostIdentity,
  record: RunRecord,
  signal: AbortSignal,
): Promise<BackupPolicy | undefined> {
  const ref = { namespace: host.namespace, name: record.policy.name };
  const cached = caches.policies.get(ref);
  if (cached?.metadata.uid === record.policy.uid) return cached;
  const live = await client.get(BackupPolicies, ref, { signal }).catch(absent);
  return live?.metadata.uid === record.policy.uid ? live : undefined;
}

/** The policy selects the host, or did so lately. */
function concerns(caches: Caches, policy: BackupPolicy, { namespace, name }: HostIdentity): boolean {
  const host = caches.hosts.get({ namespace, name });
  if (host === undefined) return false;
  if (policiesOf(caches, host).some(({ metadata }) => metadata.uid === policy.metadata.uid)) return true;
  if (host.status?.policies?.some((listed) => listed.name === policy.metadata.name)) return true;
  return caches.runsByPolicy(keyOf(policy)).some((run) => run.spec.hostRef === name);
}

/** As the cache, which may be behind, but for what is refused for good. */
async function selectsNow(
  { client }: RunParts,
  policy: BackupPolicy,
  { namespace, name, uid }: HostIdentity,
  signal: AbortSignal,
): Promise<boolean> {
  const [host, live] = await Promise.all([
    client.get(Hosts, { namespace, name }, { signal }).catch(absent),
    client.get(BackupPolicies, policy.metadata, { signal }).catch(absent),
  ]);
  return host?.metadata.uid === uid && live?.metadata.uid === policy.metadata.uid && selects(live, host);
}

/** The run of this name: from the cache if it `suffices`. */
async function read(
  { caches, client }: RunParts,
  namespace: string,
  name: string,
  suffices: (cached: BackupRun) => boolean,
  signal: AbortSignal,
): Promise<BackupRun | undefined> {
  const cached = caches.runs.get({ namespace, name });
  if (cached !== undefined && suffices(cached)) return cached;
  return client.get(BackupRuns, { namespace, name }, { signal }).catch(absent);
}

function absent(error: unknown): undefined {
  if (!isNotFound(error)) throw error;
}
