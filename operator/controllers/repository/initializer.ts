import type { Host } from "#crds/host.ts";
import type { Repository } from "#crds/repository.ts";
import { isTrue } from "../../kube/conditions.ts";
import { Annotation } from "../kinds.ts";

export interface Initializer {
  readonly hostRef: string;
  readonly hostUID: string;
}

/**
 * The one host that opens the repository and may create it. Two creating at once break it for ever, so the choice is kept
 * for as long as its Host stands, connected or not; only people move it, by revoking or deleting the Host or by annotation.
 */
export function chooseInitializer(
  repository: Repository,
  host: (name: string) => Host | undefined,
  candidates: readonly Host[],
): Initializer | undefined {
  const named = repository.metadata.annotations?.[Annotation.initializer];
  const wanted = named === undefined ? undefined : host(named);
  if (wanted !== undefined && standing(wanted)) return initializer(wanted);

  const { hostRef, hostUID } = repository.status?.initializer ?? {};
  const current = hostRef === undefined ? undefined : host(hostRef);
  if (current !== undefined && current.metadata.uid === hostUID && standing(current)) return initializer(current);

  const [first] = candidates.filter(canOpen).sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  return first && initializer(first);
}

function standing({ spec, metadata }: Host): boolean {
  return spec.revoked !== true && metadata.deletionTimestamp === undefined;
}

function canOpen(host: Host): boolean {
  const { conditions } = host.status ?? {};
  return standing(host) && isTrue(conditions, "Connected") && !isTrue(conditions, "IdentityConflict");
}

function initializer({ metadata }: Host): Initializer {
  return { hostRef: metadata.name, hostUID: metadata.uid };
}
