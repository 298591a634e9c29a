import type { Identity } from "../../../agent/link/core.ts";
import type { LinkSettings } from "../../../agent/link/link-state.ts";
import type { Tally } from "./simulated-core.ts";

/** Each is answered by a FromWorker. */
export type ForWorker = { type: "start"; identities: Identity[]; settings: Partial<LinkSettings> } | { type: "ask" };

export interface FromWorker extends Tally {
  connected: number;
  /** Of those that are connected, since when, ms since 1970. */
  since: number[];
  /** Of those that are not, how many say what. */
  reasons: { [reason: string]: number };
}
