import type { Readiness } from "./readiness.ts";

/** Ready, and yet what the schedule says does not happen. */
const PUT_OFF: ReadonlySet<string> = new Set(["Suspended", "Paused"]);

/**
 * What kubectl get shows under NEXT: when a schedule fires next (`next` in milliseconds since 1970), to the minute and in
 * UTC; or in one word why it does not: the reason of Ready, or `otherwise` where there is no schedule.
 */
export function nextText({ state, reason }: Readiness, next: number | undefined, otherwise: string): string {
  if (state !== "ready" || PUT_OFF.has(reason)) return reason;
  // A date column cannot show the future: kubectl prints ages only.
  return next === undefined ? otherwise : `${new Date(next).toISOString().slice(0, 16)}Z`;
}

/**
 * The next slot moves by itself, with every slot of every host. Alone it is worth a write only where it stays right for
 * this long, so that hosts one after the other cost no write each: their runs cause one that carries it anyway.
 */
export const NEXT_WORTH_MS = 5 * 60_000;
