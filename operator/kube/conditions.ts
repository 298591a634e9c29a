import type { Condition } from "#crds/meta.ts";

/** A condition as it should be; when it became so is kept from what is there. */
export type ConditionDraft = Omit<Condition, "lastTransitionTime">;

/** metav1 allows no longer message. */
const LONGEST_MESSAGE = 32_768;

/**
 * The conditions of one writer, complete, in the order given. `lastTransitionTime` is the one there while the status
 * stays, else `now` (wall ms): a new reason or message is no transition. Later duplicates of a type are dropped.
 */
export function conditions(
  live: readonly Condition[] | undefined,
  desired: readonly ConditionDraft[],
  now: number,
): Condition[] {
  const result = new Map<string, Condition>();
  for (const draft of desired) {
    if (result.has(draft.type)) continue;
    const old = findCondition(live, draft.type);
    const lastTransitionTime =
      old?.status === draft.status ? old.lastTransitionTime : new Date(now).toISOString().replace(/\.\d{3}Z$/, "Z");
    result.set(draft.type, { ...draft, message: draft.message.slice(0, LONGEST_MESSAGE), lastTransitionTime });
  }
  return [...result.values()];
}

export function findCondition(list: readonly Condition[] | undefined, type: string): Condition | undefined {
  return list?.find((condition) => condition.type === type);
}

/** False also when there is no such condition. */
export function isTrue(list: readonly Condition[] | undefined, type: string): boolean {
  return findCondition(list, type)?.status === "True";
}
