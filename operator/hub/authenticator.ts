import type { Clock } from "#base/clock.ts";
import type { Host } from "#crds/host.ts";
import { sha256 } from "#protocol/canonical.ts";
import { parseCredential } from "#protocol/enroll.ts";
import type { Caches } from "../controllers/caches.ts";
import { Hosts } from "../controllers/kinds.ts";
import type { Installation } from "../installation/installation.ts";
import type { Client } from "../kube/client.ts";
import { isAlreadyExists, isForbidden, isNotFound } from "../kube/kube-error.ts";
import type { Log } from "../kube/log.ts";
import { type Ref, Secrets } from "../kube/resource.ts";
import { audit } from "./audit.ts";
import {
  credentialSecret,
  credentialSecretRef,
  type StoredCredential,
  sameDigest,
  storedCredential,
} from "./credential-secret.ts";
import type { AuthenticationRefusal, AuthenticationRequest, Authenticator, HostIdentity } from "./ports.ts";

const ENROL_AGAIN = "create an EnrollmentToken with hostName and reenroll: true and enrol this machine again";

const MALFORMED: AuthenticationRefusal = {
  status: 401,
  code: "credential_malformed",
  message: "the agent shows no credential of the form hfa_<namespace>_<host>_<secret>; enrol it",
};
const UNKNOWN: AuthenticationRefusal = {
  status: 401,
  code: "credential_unknown",
  message: `this credential does not hold: the Host was deleted or has another agent now. If that is not meant, ${ENROL_AGAIN}`,
};
const REVOKED: AuthenticationRefusal = {
  status: 403,
  code: "host_revoked",
  message: `the Host is revoked. To let it back in, wait for its condition Revoked, set its spec.revoked to false, ${ENROL_AGAIN}`,
};

/**
 * For so long after the installation Secret was created in this cluster, agents of an earlier cluster with the same Secret
 * are taken in by their tickets. Bounded, because in that time deleting an adopted Host does not keep its agent out;
 * spec.revoked does.
 */
const ADOPTION_MS = 30 * 24 * 3_600_000;

export interface CredentialsParts {
  readonly client: Client;
  readonly caches: Pick<Caches, "hosts">;
  readonly installation: Installation;
  /** undefined: every namespace. */
  readonly watchNamespaces: readonly string[] | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** Authenticates agents by the credential they made when they enrolled; its hash is in a Secret owned by the Host. */
export class CredentialAuthenticator implements Authenticator {
  readonly #parts: CredentialsParts;

  constructor(parts: CredentialsParts) {
    this.#parts = parts;
  }

  async authenticate(
    { authorization, ticket }: AuthenticationRequest,
    signal: AbortSignal,
  ): Promise<{ host: HostIdentity } | { refused: AuthenticationRefusal }> {
    const shown = parseCredential(/^Bearer (.{1,512})$/i.exec(authorization ?? "")?.[1] ?? "");
    if (shown === undefined) return { refused: MALFORMED };
    const { namespace, host: name } = shown;
    if (this.#parts.watchNamespaces?.includes(namespace) === false) return { refused: UNKNOWN };
    const hash = sha256(shown.secret);
    const cached = this.#parts.caches.hosts.get({ namespace, name });
    const known = cached && (await this.#find(cached, signal));
    // A cache that is behind must not turn away who has just enrolled: a refusal is the API server's word.
    const found = holds(known, hash) ? known : await this.#findLive({ namespace, name }, signal);
    if (found?.host.spec.revoked === true) return { refused: REVOKED };
    const stored = found?.credential;
    if (found !== undefined && stored !== undefined) {
      // Also where the Host had an agent and was revoked (no hash): that is for good.
      if (stored.hash === undefined || !sameDigest(stored.hash, hash)) return { refused: UNKNOWN };
      return { host: identity(found.host) };
    }
    const issuedAt = this.#adoptable(ticket, { namespace, name, hash });
    if (issuedAt === undefined) return { refused: UNKNOWN };
    return this.#adopt(found?.host, { namespace, name, hash, issuedAt }, signal);
  }

  async #findLive(ref: Ref, signal: AbortSignal): Promise<Found | undefined> {
    const host = await this.#parts.client.get(Hosts, ref, { signal }).catch(absent);
    return host && this.#find(host, signal);
  }

  async #find(host: Host, signal: AbortSignal): Promise<Found | undefined> {
    if (host.metadata.deletionTimestamp !== undefined) return undefined;
    const secret = await this.#parts.client.get(Secrets, credentialSecretRef(host.metadata), { signal }).catch(absent);
    return { host, credential: secret === undefined ? undefined : storedCredential(secret, host) };
  }

  /** When the ticket was issued, ms since 1970, if it opens this door. */
  #adoptable(ticket: string | undefined, shown: { namespace: string; name: string; hash: string }): number | undefined {
    const { installation, clock } = this.#parts;
    const adoption = ticket === undefined ? undefined : installation.tickets.open(ticket);
    const { createdAt } = installation;
    const holds =
      adoption !== undefined &&
      adoption.clusterID === installation.clusterID &&
      adoption.namespace === shown.namespace &&
      adoption.host === shown.name &&
      sameDigest(adoption.credentialHash, shown.hash) &&
      // A ticket of this very cluster is no use: here a Host that is missing was deleted, which is a revocation.
      adoption.issuedAt < createdAt &&
      clock.now() - createdAt < ADOPTION_MS;
    return holds ? adoption.issuedAt : undefined;
  }

  async #adopt(
    present: Host | undefined,
    agent: { namespace: string; name: string; hash: string; issuedAt: number },
    signal: AbortSignal,
  ): Promise<{ host: HostIdentity } | { refused: AuthenticationRefusal }> {
    const { client, log } = this.#parts;
    const { namespace, name, hash, issuedAt } = agent;
    try {
      const metadata = { namespace, name };
      const host = present ?? (await client.create(Hosts, { metadata, spec: {} }, { signal }));
      if (present === undefined) audit(log, "host-created", host, { adopted: true });
      const draft = credentialSecret(host, { hash, enrolledTime: new Date(issuedAt).toISOString() });
      const secret = await client.create(Secrets, draft, { signal });
      audit(log, "credential-written", secret, { host: name, adopted: true });
      return { host: identity(host) };
    } catch (error) {
      // Somebody enrolled under this name at the same moment: the next try is judged by what stands there then.
      if (isAlreadyExists(error)) return { refused: { status: 503, code: "busy", message: "try again in a moment" } };
      if (isForbidden(error) || isNotFound(error)) return { refused: UNKNOWN }; // the namespace does not exist, or ends
      throw error;
    }
  }
}

interface Found {
  readonly host: Host;
  readonly credential: StoredCredential | undefined;
}

function holds(found: Found | undefined, hash: string): boolean {
  const stored = found?.credential?.hash;
  return found?.host.spec.revoked !== true && stored !== undefined && sameDigest(stored, hash);
}

function identity({ metadata }: Host): HostIdentity {
  return { namespace: metadata.namespace ?? "", name: metadata.name, uid: metadata.uid };
}

function absent(error: unknown): undefined {
  if (!isNotFound(error)) throw error;
}
