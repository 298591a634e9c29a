import type { Caches } from "../controllers/caches.ts";
import type { Reconcile } from "../kube/controller.ts";
import { isNotFound } from "../kube/kube-error.ts";
import { Secrets } from "../kube/resource.ts";
import { audit } from "./audit.ts";
import { credentialSecret, credentialSecretRef, storedCredential } from "./credential-secret.ts";

/**
 * Empties the credential of a revoked Host, so that it does not hold again when `revoked` is taken back: then a new
 * enrolment is needed. On the leader. The Secret itself stays: that an agent was there is why a plain token cannot claim
 * the Host.
 */
export function revocation(caches: Pick<Caches, "hosts">): Reconcile {
  return async (key, { client, log }) => {
    const host = caches.hosts.get(key);
    if (host?.spec.revoked !== true) return;
    const secret = await client.get(Secrets, credentialSecretRef(host.metadata)).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
      return undefined;
    });
    if (secret === undefined) return;
    const credential = storedCredential(secret, host);
    if (credential?.hash === undefined) return;
    const { data } = credentialSecret(host, { enrolledTime: credential.enrolledTime });
    const revoked = await client.update(Secrets, { ...secret, ...(data === undefined ? {} : { data }) });
    audit(log, "credential-revoked", revoked, { host: host.metadata.name });
  };
}
