import type { Host } from "#crds/host.ts";
import type { Caches } from "../controllers/caches.ts";
import { revocationWriter, sessionWriter } from "../controllers/host/writers.ts";
import { Hosts } from "../controllers/kinds.ts";
import type { ControllerParts } from "../controllers/parts.ts";
import { applyStatus } from "../kube/apply.ts";
import { conditions, findCondition, isTrue } from "../kube/conditions.ts";
import { Controller, type ReconcileContext, watch } from "../kube/controller.ts";
import { isAlreadyExists, isNotFound } from "../kube/kube-error.ts";
import { generationChanged } from "../kube/predicates.ts";
import { type Secret, Secrets } from "../kube/resource.ts";
import { audit } from "./audit.ts";
import { credentialSecret, credentialSecretRef, storedCredential } from "./credential-secret.ts";
import { statusAtRevocation } from "./session-status.ts";

/**
 * Empties the credential of a revoked Host, so that it does not hold again when `revoked` is taken back: then a new
 * enrolment is needed. On the leader. The Secret itself stays: that an agent was there is why a plain token cannot claim
 * the Host.
 *
 * No revocation is missed: the API server lets `revoked` be taken back only while condition Revoked stands, which is
 * written after the Secret and removed before the next enrolment. And none is overtaken: whoever writes the Secret has
 * read the Host after it, and each revocation changes the Secret, also where it is empty or missing. So an enrolment that
 * saw the Host before its revocation writes on an old resourceVersion.
 */
export function revocationController(parts: ControllerParts & { caches: Pick<Caches, "hosts"> }): Controller {
  const { hosts } = parts.caches;
  return new Controller({
    ...parts,
    name: "revocation",
    watches: [watch(hosts, { when: generationChanged })],
    async reconcile(key, ctx) {
      const cached = hosts.get(key);
      if (cached === undefined || !(cached.spec.revoked || isTrue(cached.status?.conditions, "Revoked"))) return {};
      const { client, clock, signal } = ctx;
      const secret = await client.get(Secrets, credentialSecretRef(cached.metadata)).catch(absent);
      const host = await client.get(Hosts, cached.metadata).catch(absent);
      if (host === undefined || host.metadata.deletionTimestamp !== undefined) return {};
      if (host.spec.revoked === true && !(await withdraw(host, secret, ctx))) return { requeueAfterMs: 0 };
      const drafts = host.spec.revoked === true ? [revoked(host)] : [];
      const status = { conditions: conditions(host.status?.conditions, drafts, clock.now()) };
      const ended = host.spec.revoked === true ? await endSession(host, ctx) : host;
      await applyStatus(client, Hosts, ended, revocationWriter, status, { signal });
      return {};
    },
  });
}

/** False where somebody else has just made the Secret; throws a conflict where somebody else has changed it. */
async function withdraw(host: Host, secret: Secret | undefined, { client, clock, log }: ReconcileContext) {
  const { generation } = host.metadata;
  const credential = secret && storedCredential(secret, host);
  if (credential?.revokedGeneration === generation && credential?.hash === undefined) return true;
  const enrolledTime = credential?.enrolledTime ?? new Date(clock.now()).toISOString();
  const draft = credentialSecret(host, { enrolledTime, revokedGeneration: generation });
  try {
    const written =
      secret === undefined
        ? await client.create(Secrets, draft)
        : await client.update(Secrets, { ...secret, ...draft, metadata: { ...secret.metadata, ...draft.metadata } });
    audit(log, "credential-revoked", written, { host: host.metadata.name });
    return true;
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    return false;
  }
}

/** The replica that held the session says nothing of a revoked Host, and later nobody would: it would stay connected. */
async function endSession(host: Host, { client, clock, signal }: ReconcileContext): Promise<Host> {
  if (findCondition(host.status?.conditions, "Connected")?.reason === "Revoked" || host.status?.session === undefined) {
    return host;
  }
  const status = statusAtRevocation(host, clock.now());
  return (await applyStatus(client, Hosts, host, sessionWriter, status, { signal })).object;
}

function revoked({ metadata: { name, generation } }: Host) {
  const message = `the credential of ${name} was withdrawn for good; the machine has to be enrolled again`;
  return {
    type: "Revoked",
    status: "True",
    reason: "CredentialWithdrawn",
    message,
    observedGeneration: generation,
  } as const;
}

function absent(error: unknown): undefined {
  if (!isNotFound(error)) throw error;
}
