import type { BackupPolicy } from "#crds/backuppolicy.ts";
import type { BackupRun } from "#crds/backuprun.ts";
import type { Host } from "#crds/host.ts";
import { type RunIdentity, runName } from "#protocol/names.ts";
import { type Draft, ownerReference } from "../../kube/resource.ts";
import { Annotation, BackupPolicies } from "../kinds.ts";

/** As status.lastHandledRunRequest bounds it. */
const LONGEST_VALUE = 253;

export type RunRequest = { readonly value: string } | { readonly refused: string };

/** What the annotation asks for and has not been done yet. Any new value is a request; the old one stays until replaced. */
export function runRequest({ metadata, status }: BackupPolicy): RunRequest | undefined {
  const value = metadata.annotations?.[Annotation.runRequestedAt];
  if (value === undefined || value === status?.lastHandledRunRequest) return undefined;
  if (value === "" || value.length > LONGEST_VALUE || !/^[\x20-\x7e]+$/.test(value)) {
    const refused = `annotation ${Annotation.runRequestedAt} must be 1 to ${LONGEST_VALUE} printable ASCII characters, for example the time: "$(date +%s)"; nothing was started`;
    return { refused };
  }
  return { value };
}

/** One run a host. Its name follows from policy, host and value, so that a repeat finds it there. */
export function requestedRun(policy: BackupPolicy, host: Host, value: string): Draft<BackupRun> {
  const identity: RunIdentity = { policyUID: policy.metadata.uid, hostUID: host.metadata.uid, occasion: value };
  const { name, namespace } = policy.metadata;
  return {
    metadata: {
      name: runName(name, host.metadata.name, identity),
      ...(namespace !== undefined && { namespace }),
      ownerReferences: [ownerReference(BackupPolicies, policy)],
    },
    spec: { policyRef: name, hostRef: host.metadata.name, trigger: "Manual" },
  };
}

/** Whether what has the name already is this very run. */
export function isRequestedRun(existing: BackupRun, policy: BackupPolicy, host: Host): boolean {
  const { metadata, spec } = existing;
  return (
    spec.hostRef === host.metadata.name &&
    (metadata.ownerReferences ?? []).some((owner) => owner.uid === policy.metadata.uid)
  );
}
