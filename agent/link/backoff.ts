import type { LinkSettings } from "./link-state.ts";

/** A session that lasted this long was a good one: what follows it starts from the first delay again. */
export const HEALTHY_SESSION_MS = 60_000;

/**
 * Full jitter: uniform below a ceiling that doubles with each failure. `chance` in [0, 1). The server's wish is a floor,
 * because only it knows how many want to come back.
 */
export function reconnectDelay(settings: LinkSettings, failures: number, chance: number, floorMs = 0): number {
  const ceiling = Math.min(settings.maxDelayMs, settings.firstDelayMs * 2 ** Math.min(failures, 30));
  return Math.max(chance * ceiling, floorMs);
}

/** `ms` +-1/7, so that a fleet does not beat in step. */
export function spread(ms: number, chance: number): number {
  return ms * (6 / 7 + (chance * 2) / 7);
}
