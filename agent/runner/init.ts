import { catConfigArgv, initArgv } from "./argv.ts";
import type { Attempt, Machine } from "./attempt.ts";
import type { Verdict } from "./classify.ts";
import { mismatch, NO_ID, repositoryID, unanswered } from "./repository-identity.ts";
import { openRestic } from "./restic.ts";
import type { OpenAccess } from "./secrets.ts";

export interface InitSpec {
  repositoryUID: string;
  create: boolean;
}

export interface InitEnd extends Verdict {
  exitCode?: number;
  repositoryID?: string;
  created?: boolean;
}

const STEP = "init";

/**
 * Opens a repository and says its id; makes it only where `create` is set, none is there and none has ever been known
 * there. Two initialisations at once break a repository for ever (facts: E), so the operator asks one agent only, and
 * that agent looks first and lets a running init end.
 */
export async function init(machine: Machine, attempt: Attempt, spec: InitSpec, access: OpenAccess): Promise<InitEnd> {
  const restic = openRestic(machine, attempt, access);
  const known = access.repositoryID !== undefined;
  const adopted = attempt.steps.length > 0;
  if (!adopted) {
    const problem = await restic.unreachable();
    if (problem !== undefined) return problem;
    const opened = await open();
    if (opened.reason !== "RepositoryNotInitialized" || !spec.create) return opened;
  }
  const { code, seen } = await restic.step(STEP, () => initArgv);
  if (code !== undefined && code !== 0) return { ...restic.verdict({ code, seen }, known), exitCode: code };
  const opened = await open();
  return opened.phase === "Succeeded" ? { ...opened, created: true } : opened;

  async function open(): Promise<InitEnd> {
    const answer = await restic.ask(catConfigArgv);
    const problem = unanswered(restic, answer, access);
    if (problem !== undefined) return problem;
    const exitCode = 0;
    const id = repositoryID(answer.stdout);
    if (id === undefined) return { ...NO_ID, exitCode };
    if (known && id !== access.repositoryID) return { ...mismatch(access, id), exitCode };
    return { phase: "Succeeded", reason: "Completed", message: "", exitCode, repositoryID: id, created: false };
  }
}
