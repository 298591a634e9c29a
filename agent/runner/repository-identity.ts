import { catConfigArgv } from "./argv.ts";
import type { Answer } from "./ask.ts";
import { unreachableMessage, type Verdict } from "./classify.ts";
import type { Restic } from "./restic.ts";
import type { OpenAccess } from "./secrets.ts";

/** Why a repository cannot be trusted to be the one that is meant. */
export interface RepositoryProblem extends Verdict {
  exitCode?: number;
}

export const NO_ID: RepositoryProblem = {
  phase: "Failed",
  reason: "ResticFailed",
  message: "restic opened the repository but did not say its id",
};

/** Undefined where the pinned repository is the only one this attempt's restics opened, or where none is pinned. */
export async function identityProblem(restic: Restic, access: OpenAccess): Promise<RepositoryProblem | undefined> {
  if (access.repositoryID === undefined) return undefined;
  if (restic.opened().length > 0) {
    const other = stranger(restic, access);
    return other === undefined ? undefined : mismatch(access, other);
  }
  // restic's cache may not be writable, or be another restic's: the repository has to say it, and silence is no proof.
  const answer = await restic.ask(catConfigArgv);
  const silent = unanswered(restic, answer, access);
  if (silent !== undefined) return silent;
  const id = repositoryID(answer.stdout);
  if (id === undefined) return NO_ID;
  return id === access.repositoryID ? undefined : mismatch(access, id);
}

/** The id of a repository that restic opened in the pinned one's stead, as far as its cache tells. */
export function stranger(restic: Restic, access: OpenAccess | undefined): string | undefined {
  if (access?.repositoryID === undefined) return undefined;
  return restic.opened().find((id) => id !== access.repositoryID);
}

/** Undefined where restic has answered a question. */
export function unanswered(restic: Restic, { code, seen }: Answer, access: OpenAccess): RepositoryProblem | undefined {
  if (code === 0) return undefined;
  if (code !== undefined) {
    return { ...restic.verdict({ code, seen }, access.repositoryID !== undefined), exitCode: code };
  }
  const why = seen.retrying?.message ?? seen.errors.at(-1) ?? "no answer in time";
  return { phase: "Failed", reason: "RepositoryUnreachable", message: unreachableMessage(why) };
}

/** The id in the answer to `cat config`. */
export function repositoryID(text: string): string | undefined {
  return /"id":\s*"([0-9a-f]{64})"/.exec(text)?.[1];
}

export function mismatch(access: OpenAccess, found: string): RepositoryProblem {
  const message =
    `the repository answers with id ${found}, but ${access.repositoryID} is recorded: another repository is at this address. ` +
    "If that is meant, delete the Repository resource and create it again";
  return { phase: "Failed", reason: "RepositoryMismatch", message };
}
