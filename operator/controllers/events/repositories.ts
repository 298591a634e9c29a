import type { Repository } from "#crds/repository.ts";
import type { EventNote } from "../../kube/events.ts";
import type { EventReason } from "../reasons.ts";

/** What to tell of a Repository whose id was pinned: from now on it is this one or none. */
export function pinnedEvent(before: Repository | undefined, { status }: Repository): EventNote | undefined {
  const { repositoryID, lastOpen } = status ?? {};
  if (before === undefined || before.status?.repositoryID !== undefined || repositoryID === undefined) return undefined;
  const did = lastOpen?.created === true ? "created" : "found";
  const note = `${lastOpen?.hostRef ?? "An agent"} ${did} the repository ${repositoryID.slice(0, 8)}, whose id is pinned now. Keep a copy of its password elsewhere: without it nothing can be restored.`;
  return { type: "Normal", reason: "Pinned" satisfies EventReason, action: "Open", note };
}
