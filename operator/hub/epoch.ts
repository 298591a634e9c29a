/** How far a hello may lift the epoch above the stored one: far more than reconnects ever do, far below 2^53. */
const MAX_LIFT = 1_000_000_000;

/**
 * The epoch of a new session. The agent's own highest counts too, so that a status that was lost or restored from an old
 * backup locks nobody out; it is bounded because the agent is not trusted.
 * @param stored Host.status.session.epoch, 0 without one.
 * @param highest of the hello, 0 where it was counted for another Host UID.
 */
export function nextEpoch(stored: number, highest: number): number {
  return Math.max(stored, Math.min(highest, stored + MAX_LIFT)) + 1;
}
