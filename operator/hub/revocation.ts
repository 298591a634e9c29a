import type { Caches } from "../controllers/caches.ts";
import type { ControllerParts } from "../controllers/parts.ts";
import { Controller, watch } from "../kube/controller.ts";
import { isNotFound } from "../kube/kube-error.ts";
import { generationChanged } from "../kube/predicates.ts";
import { Secrets } from "../kube/resource.ts";
import { audit } from "./audit.ts";
import { credentialSecret, credentialSecretRef, storedCredential } from "./credential-secret.ts";

/**
 * Empties the credential of a revoked Host, so that it does not hold again when `revoked` is taken back: then a new
 * enrolment is needed. On the leader. The Secret itself stays: that an agent was there is why a plain token cannot claim
 * the Host.
 */
export function revocationController(parts: ControllerParts & { caches: Pick<Caches, "hosts"> }): Controller {
  const { hosts } = parts.caches;
  return new Controller({
    ...parts,
    name: "revocation",
    watches: [watch(hosts, { when: generationChanged })],
    async reconcile(key, { client, log }) {
      const host = hosts.get(key);
      if (host?.spec.revoked !== true) return;
      const secret = await client.get(Secrets, credentialSecretRef(host.metadata)).catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
        return undefined;
      });
      const credential = secret && storedCredential(secret, host);
      if (secret === undefined || credential?.hash === undefined) return;
      const { data = {} } = credentialSecret(host, { enrolledTime: credential.enrolledTime });
      const revoked = await client.update(Secrets, { ...secret, data });
      audit(log, "credential-revoked", revoked, { host: host.metadata.name });
    },
  });
}
