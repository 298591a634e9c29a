import type { Host } from "#crds/host.ts";
import type { Repository } from "#crds/repository.ts";
import type { Restore } from "#crds/restore.ts";
import type { Obstacle } from "../one-shot/decide.ts";
import { hostObstacle } from "../one-shot/host-obstacle.ts";
import { repositoryProblem } from "../policy/readiness.ts";

/** What keeps a restore from its agent, the host's absence apart. */
export function restoreObstacle(
  restore: Restore,
  { host, repository }: { host: Host | undefined; repository: Repository | undefined },
): Obstacle | undefined {
  const missing = hostObstacle(restore.spec.target.hostRef, host);
  if (missing !== undefined) return missing;
  if (repository === undefined) {
    const message = `there is no Repository ${restore.spec.source.repository} in this namespace; correct spec.source.repository in another Restore`;
    return { final: true, reason: "RepositoryNotFound", message };
  }
  const unready = repositoryProblem(repository);
  return unready === undefined ? undefined : { final: false, reason: "RepositoryNotReady", message: unready };
}
