import { sha256 } from "#protocol/canonical.ts";

/** What a Host's status keeps of the nonces: hashes, because whoever may read a Host must not be able to show one. */
export interface StoredNonces {
  /** Of the nonce in the last hello_ack. The agent may never have received it. */
  issued?: string;
  /** Of the nonce that the hello before it showed; absent where it showed none. */
  confirmed?: string;
}

export type NonceVerdict = "expected" | "rollback" | "clone";

/** What stands in status once `next` has been issued to an agent that showed `shown`. */
export function rotateNonces(shown: string | undefined, next: string): StoredNonces {
  return { issued: sha256(next), ...(shown === undefined ? {} : { confirmed: sha256(shown) }) };
}

/**
 * Whether a hello comes from the machine that the last hello_ack went to. The nonce shown by the hello before is tolerated
 * as well: the hello_ack that replaced it may have been lost on its way. Anything older is a machine set back to a
 * snapshot, or, while another session of the Host is alive, a second machine with the same identity.
 */
export function judgeNonce(stored: StoredNonces, shown: string | undefined, anotherIsAlive: boolean): NonceVerdict {
  if (stored.issued === undefined) return "expected";
  const hash = shown === undefined ? undefined : sha256(shown);
  if (hash === stored.issued || hash === stored.confirmed) return "expected";
  return anotherIsAlive ? "clone" : "rollback";
}
