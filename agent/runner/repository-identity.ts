import { catConfigArgv } from "./argv.ts";
import type { Restic } from "./restic.ts";
import type { OpenAccess } from "./secrets.ts";

/** The id of a repository that restic opened in the pinned one's stead, as far as its cache tells. */
export function stranger(restic: Restic, access: OpenAccess | undefined): string | undefined {
  if (access?.repositoryID === undefined) return undefined;
  return restic.opened().find((id) => id !== access.repositoryID);
}

/** The same from the repository itself, where restic's cache tells nothing: it may not be writable, or be another restic's. */
export async function askedStranger(restic: Restic, access: OpenAccess | undefined): Promise<string | undefined> {
  if (access?.repositoryID === undefined || restic.opened().length > 0) return undefined;
  const id = repositoryID((await restic.ask(catConfigArgv)).stdout);
  return id === access.repositoryID ? undefined : id;
}

/** The id in the answer to `cat config`. */
export function repositoryID(text: string): string | undefined {
  return /"id":\s*"([0-9a-f]{64})"/.exec(text)?.[1];
}

export function mismatch(access: OpenAccess, found: string | undefined): string {
  return (
    `the repository answers with id ${found}, but ${access.repositoryID} is recorded: another repository is at this address. ` +
    "If that is meant, delete the Repository resource and create it again"
  );
}
