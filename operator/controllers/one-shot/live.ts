import type { Client } from "../../kube/client.ts";
import type { Informer } from "../../kube/informer.ts";
import { isNotFound } from "../../kube/kube-error.ts";
import { type Key, type Kind, type KubeObject, refOf } from "../../kube/resource.ts";

/**
 * What a one-shot names: from the cache, or, since one that is missing ends the one-shot for good and a cache may be
 * behind, from the API server. Undefined: it is not there.
 */
export async function cachedOrLive<T extends KubeObject>(
  client: Pick<Client, "get">,
  kind: Kind<T>,
  cache: Pick<Informer<T>, "get">,
  key: Key,
): Promise<T | undefined> {
  const cached = cache.get(key);
  if (cached !== undefined) return cached;
  return client.get(kind, refOf(key)).catch((error: unknown) => {
    if (!isNotFound(error)) throw error;
    return undefined;
  });
}
