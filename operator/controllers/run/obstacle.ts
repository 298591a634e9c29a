import type { BackupPolicy } from "#crds/backuppolicy.ts";
import type { BackupRun } from "#crds/backuprun.ts";
import type { Host } from "#crds/host.ts";
import type { Repository } from "#crds/repository.ts";
import type { Obstacle } from "../one-shot/decide.ts";
import { hostObstacle } from "../one-shot/host-obstacle.ts";
import { repositoryProblem, scheduleProblem } from "../policy/readiness.ts";
import { selects } from "../selection.ts";

/** What keeps a run from its agent, the host's absence apart. */
export function runObstacle(
  run: BackupRun,
  found: { policy: BackupPolicy | undefined; host: Host | undefined; repository: Repository | undefined },
): Obstacle | undefined {
  const { policy, host, repository } = found;
  const { policyRef, hostRef } = run.spec;
  if (policy === undefined) {
    return {
      final: true,
      reason: "PolicyNotFound",
      message: `there is no BackupPolicy ${policyRef} in this namespace; correct spec.policyRef in another BackupRun`,
    };
  }
  const missing = hostObstacle(hostRef, host);
  if (missing !== undefined || host === undefined) return missing;
  if (!selects(policy, host)) {
    const message = `BackupPolicy ${policyRef} does not select Host ${hostRef}; name one of its hosts, or extend its spec.hosts`;
    return { final: true, reason: "HostNotSelected", message };
  }
  const schedule = scheduleProblem(policy);
  if (schedule !== undefined) {
    // The agent takes a policy whole or not at all.
    return {
      final: true,
      reason: "PolicyInvalid",
      message: `BackupPolicy ${policyRef} cannot be carried out: ${schedule}`,
    };
  }
  if (repository === undefined) {
    const message = `there is no Repository ${policy.spec.repository.name}, which BackupPolicy ${policyRef} names; create it`;
    return { final: false, reason: "RepositoryNotFound", message };
  }
  const unready = repositoryProblem(repository);
  return unready === undefined ? undefined : { final: false, reason: "RepositoryNotReady", message: unready };
}
