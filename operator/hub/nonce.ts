import { sha256 } from "#protocol/canonical.ts";

/** Host.status.session's share in this: hashes, because whoever may read a Host must not be able to show a nonce. */
export interface StoredNonces {
  /** Of the nonce in the last hello_ack. The agent may never have received it. */
  nonce?: string;
  /** Of the nonce that the hello before that hello_ack showed; absent where it showed none. */
  previousNonce?: string;
}

export type NonceVerdict = "expected" | "rollback" | "clone";

/** What stands in status once `next` has been issued to an agent that showed `shown`. */
export function rotateNonces(shown: string | undefined, next: string): StoredNonces {
  return { nonce: sha256(next), ...(shown === undefined ? {} : { previousNonce: sha256(shown) }) };
}

/**
 * Whether a hello comes from the machine that the last hello_ack went to. The nonce shown by the hello before is tolerated
 * as well: the hello_ack that replaced it may have been lost on its way. Anything older is a machine set back to a
 * snapshot, or, while another session of the Host is alive, a second machine with the same identity.
 */
export function judgeNonce(stored: StoredNonces, shown: string | undefined, anotherIsAlive: boolean): NonceVerdict {
  if (stored.nonce === undefined) return "expected";
  const hash = shown === undefined ? undefined : sha256(shown);
  if (hash === stored.nonce || hash === stored.previousNonce) return "expected";
  return anotherIsAlive ? "clone" : "rollback";
}
