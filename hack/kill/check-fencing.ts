import type { Host } from "#crds/host.ts";
import type { Lease } from "../../operator/kube/resource.ts";
import type { History, Version, Violation } from "./history.ts";

/** Who may write: each session has its own, higher epoch, and the leader's Lease changes hands only when it may. */
export function checkFencing({ versions }: History): Violation[] {
  return [...ofEach(versions, "hosts", checkSessions), ...ofEach(versions, "leases", checkLease)];
}

function ofEach<T>(
  versions: readonly Version[],
  plural: string,
  check: (name: string, states: readonly T[]) => Violation[],
): Violation[] {
  const present = versions.filter((version) => version.plural === plural && version.object !== undefined);
  const objects = Map.groupBy(present, ({ object }) => object!.metadata.uid);
  return [...objects.values()].flatMap((of) =>
    check(
      of[0]!.name,
      of.map(({ object }) => object as unknown as T),
    ),
  );
}

function checkSessions(name: string, states: readonly Host[]): Violation[] {
  const found: Violation[] = [];
  for (const [index, state] of states.entries()) {
    const before = states[index - 1]?.status?.session;
    const now = state.status?.session;
    if (before === undefined) continue;
    const wrong = (message: string) =>
      found.push({
        rule: "epoch",
        subject: `hosts/${name}`,
        message: `${message} at revision ${state.metadata.resourceVersion}`,
      });
    const [from, to] = [before.epoch ?? 0, now?.epoch ?? 0];
    const same = before.replica === now?.replica && before.connectedTime === now?.connectedTime;
    if (to < from) wrong(`epoch ${from} became ${to}`);
    else if (to === from && !same) wrong(`epoch ${from} is of ${before.replica} and of ${now?.replica}`);
    else if (to === from && before.disconnectedTime !== undefined && now?.disconnectedTime === undefined)
      wrong(`the session of epoch ${from} had ended and goes on`);
  }
  return found;
}

/** Times are of one machine here, so they can be compared. */
function checkLease(name: string, states: readonly Lease[]): Violation[] {
  const found: Violation[] = [];
  for (const [index, state] of states.entries()) {
    const before = states[index - 1]?.spec;
    const now = state.spec;
    if (before === undefined || now === undefined) continue;
    const wrong = (message: string) =>
      found.push({
        rule: "lease",
        subject: `leases/${name}`,
        message: `${message} at revision ${state.metadata.resourceVersion}`,
      });
    const [from, to] = [before.holderIdentity ?? "", now.holderIdentity ?? ""];
    const renewed = time(before.renewTime);
    if (time(now.renewTime) < renewed) wrong(`renewTime ${before.renewTime} became ${now.renewTime}`);
    if (from === to) {
      if (before.acquireTime !== now.acquireTime) wrong(`${to} acquired what it held`);
    } else if (from !== "" && to !== "") {
      const runsOut = renewed + (before.leaseDurationSeconds ?? 0) * 1000;
      if (time(now.acquireTime) < runsOut)
        wrong(`${to} took it ${Math.ceil(runsOut - time(now.acquireTime))} ms before it ran out for ${from}`);
    }
    const moves = to !== "" && from !== to ? 1 : 0;
    if ((now.leaseTransitions ?? 0) !== (before.leaseTransitions ?? 0) + moves)
      wrong(`leaseTransitions ${before.leaseTransitions ?? 0} became ${now.leaseTransitions ?? 0}`);
  }
  return found;
}

function time(micro: string | undefined): number {
  return Date.parse(micro ?? "") || 0;
}
