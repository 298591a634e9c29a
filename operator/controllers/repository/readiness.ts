import type { Host } from "#crds/host.ts";
import type { Repository } from "#crds/repository.ts";
import { Reason } from "#protocol/outcome.ts";
import { isTrue } from "../../kube/conditions.ts";
import { type Readiness, some } from "../readiness.ts";
import type { ConditionReason } from "../reasons.ts";

/** Whether an agent has opened it as its spec now stands, and its id is known. */
export function isOpened({ status, metadata }: Repository): boolean {
  const { lastOpen, repositoryID } = status ?? {};
  return (
    repositoryID !== undefined && lastOpen?.phase === "Succeeded" && lastOpen.observedGeneration === metadata.generation
  );
}

export interface DuplicateOf {
  /** `namespace/name` of it. */
  readonly key: string;
  readonly by: "url" | "id";
  /** Where it never worked, why: it may be the mistake of the two. */
  readonly trouble?: string;
}

export interface Surroundings {
  /** The Repository that is the same one and takes precedence. */
  readonly duplicateOf: DuplicateOf | undefined;
  /** What the Secrets lack. */
  readonly problem: string | undefined;
  readonly initializer: Host | undefined;
  /** Names of the BackupPolicies that use it and of the hosts they select. */
  readonly policies: readonly string[];
  readonly hosts: readonly string[];
}

/** What only people can mend. The agent goes on trying all the same, with growing pauses, and notices when they have. */
const THEIRS: ReadonlySet<string> = new Set([
  Reason.WrongPassword,
  Reason.RepositoryMissing,
  Reason.RepositoryNotInitialized,
  Reason.RepositoryMismatch,
  Reason.RepositoryAccessDenied,
  Reason.RepositoryBroken,
  Reason.HostRefused,
]);

const NOT_FOR_A_RESTORE =
  "there is no repository at this address, and none is made for a Restore alone: correct the url, or have a BackupPolicy use it";

/** A task that goes on may also say merely that it does. */
const TROUBLES: ReadonlySet<string> = new Set(Object.values(Reason).filter((reason) => reason !== Reason.Completed));

export function repositoryReadiness(repository: Repository, around: Surroundings): Readiness {
  const { duplicateOf, problem, initializer } = around;
  const { lastOpen, repositoryID } = repository.status ?? {};
  if (duplicateOf !== undefined) {
    const same = duplicateOf.by === "url" ? "the same url" : `the same repository (id ${repositoryID?.slice(0, 8)})`;
    const { key, trouble } = duplicateOf;
    const which =
      trouble === undefined
        ? "delete this one and use that"
        : `delete one of the two: that one never worked (${trouble}), and once it is deleted this one is opened`;
    const message = `Repository ${key} has ${same}, and one repository is one resource; ${which}`;
    return { state: "stalled", reason: "DuplicateRepository", message };
  }
  if (problem !== undefined) return { state: "waiting", reason: Reason.SecretMissing, message: problem };
  if (isOpened(repository)) {
    return { state: "ready", reason: "Opened", message: `repository ${repositoryID?.slice(0, 8)} was opened` };
  }
  if (initializer === undefined) return { state: "waiting", reason: "WaitingForHost", message: whomItNeeds(around) };

  const { name } = initializer.metadata;
  const tried = lastOpen?.observedGeneration === repository.metadata.generation ? lastOpen : undefined;
  const reason = tried?.reason ?? "";
  if (tried !== undefined && tried.phase !== "Succeeded" && (tried.phase === "Failed" || TROUBLES.has(reason))) {
    const empty = reason === Reason.RepositoryNotInitialized && repository.spec.initialize === true;
    const what = empty && around.policies.length === 0 ? NOT_FOR_A_RESTORE : tried.message || reason;
    const message = `${what} (tried from ${tried.hostRef ?? name})`;
    const told = (reason || "OpenFailed") as ConditionReason;
    return { state: THEIRS.has(reason) ? "stalled" : "waiting", reason: told, message };
  }
  if (!isTrue(initializer.status?.conditions, "Connected")) {
    const message = `${name} is to open it and is not connected; start its agent, or name another host in the annotation holdfast.dev/initializer`;
    return { state: "waiting", reason: "WaitingForHost", message };
  }
  return { state: "waiting", reason: "Opening", message: `${name} is opening it` };
}

function whomItNeeds({ policies, hosts }: Surroundings): string {
  if (policies.length === 0)
    return "no BackupPolicy uses it yet; name it in spec.repository of one, whose first connected host then opens it";
  if (hosts.length === 0) {
    return `no host is selected by ${some(policies)}; enrol one with an EnrollmentToken, or correct spec.hosts`;
  }
  return `none of its hosts is connected (${some(hosts)}); start the agent on one of them, which then opens it`;
}
