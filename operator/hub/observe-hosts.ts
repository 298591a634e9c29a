import type { Caches } from "../controllers/caches.ts";
import { keyOf } from "../kube/resource.ts";
import type { Hub } from "./ports.ts";

/** Tells the hub of every Host what may end its session: deleted, revoked, another UID, a higher epoch. */
export function observeHosts(caches: Pick<Caches, "hosts">, hub: Pick<Hub, "observe">): void {
  caches.hosts.onChange(({ type, object }) => {
    const { uid, deletionTimestamp } = object.metadata;
    const gone = type === "deleted" || deletionTimestamp !== undefined;
    const epoch = object.status?.session?.epoch ?? 0;
    hub.observe(keyOf(object), gone ? undefined : { uid, epoch, revoked: object.spec.revoked === true });
  });
}
