import { HoldfastError } from "#base/errors.ts";

const UNIT_MS = { h: 3_600_000, m: 60_000, s: 1000 } as const;

/** Milliseconds of a duration as the CRDs let it be written (`26h`, `1h30m`, `0.5s`): hours, minutes and seconds. */
export function milliseconds(duration: string): number {
  if (!/^([0-9]+([.][0-9]+)?[hms])+$/.test(duration)) {
    throw new HoldfastError(
      "api/duration",
      `"${duration.slice(0, 64)}" is no duration: write hours, minutes and seconds, like "90s" or "26h"`,
    );
  }
  let total = 0;
  for (const [, count, unit] of duration.matchAll(/([0-9.]+)([hms])/g)) {
    total += Number(count) * UNIT_MS[unit as keyof typeof UNIT_MS];
  }
  return Math.round(total);
}
