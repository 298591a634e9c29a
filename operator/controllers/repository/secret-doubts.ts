import { Reason } from "#protocol/outcome.ts";
import type { KubeObject } from "../../kube/resource.ts";
import type { Change } from "../../kube/store.ts";
import { beside, type Caches } from "../caches.ts";
import type { SecretReader } from "./secret-reader.ts";

const OVER_SECRETS: ReadonlySet<string> = new Set([
  Reason.WrongPassword,
  Reason.RepositoryAccessDenied,
  Reason.SecretMissing,
]);

interface OneShot extends KubeObject {
  readonly status?: { readonly phase?: string; readonly reason?: string };
}

/** Has the Secrets of a repository looked at again when a run or restore with it has failed over them. */
export function doubtSecrets(
  caches: Pick<Caches, "runs" | "restores" | "policies">,
  secrets: Pick<SecretReader, "doubt">,
): void {
  caches.runs.onChange((change) => {
    if (!failedOverSecrets(change)) return;
    const { status, spec } = change.object;
    const policy = caches.policies.get(beside(change.object, spec.policyRef));
    const repository = status?.effective?.repository ?? policy?.spec.repository.name;
    if (repository !== undefined) secrets.doubt(beside(change.object, repository));
  });
  caches.restores.onChange((change) => {
    if (failedOverSecrets(change)) secrets.doubt(beside(change.object, change.object.spec.source.repository));
  });
}

function failedOverSecrets<T extends OneShot>(change: Change<T>): boolean {
  if (change.type !== "updated") return false;
  const { phase, reason = "" } = change.object.status ?? {};
  return phase === "Failed" && change.old.status?.phase !== "Failed" && OVER_SECRETS.has(reason);
}
