import type { LinkSettings } from "./link-state.ts";

/** A session that lasted this long was a good one: what follows it starts from the first delay again. */
export const HEALTHY_SESSION_MS = 60_000;

/** A server's wish beyond this is not believed. */
export const MAX_RETRY_AFTER_MS = 3_600_000;

/** What doubles where the first delay is shorter: a server that is down must not be dialled in a loop. */
const MIN_STEP_MS = 1_000;

/**
 * Full jitter: uniform below a ceiling that doubles with each failure. `chance` in [0, 1). The server's wish is a floor,
 * because only it knows how many want to come back.
 */
export function reconnectDelay(settings: LinkSettings, failures: number, chance: number, floorMs = 0): number {
  const doubled = Math.max(settings.firstDelayMs, MIN_STEP_MS) * 2 ** Math.min(failures, 30);
  const ceiling = Math.min(settings.maxDelayMs, failures === 0 ? settings.firstDelayMs : doubled);
  return Math.max(chance * ceiling, Math.min(floorMs, MAX_RETRY_AFTER_MS));
}

/** `ms` +-1/7, so that a fleet does not beat in step. */
export function spread(ms: number, chance: number): number {
  return ms * (6 / 7 + (chance * 2) / 7);
}
