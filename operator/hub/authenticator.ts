import type { Clock } from "#base/clock.ts";
import type { Host } from "#crds/host.ts";
import { sha256 } from "#protocol/canonical.ts";
import { parseCredential } from "#protocol/enroll.ts";
import type { Caches } from "../controllers/caches.ts";
import { Hosts } from "../controllers/kinds.ts";
import type { Installation } from "../installation/installation.ts";
import type { Adoption } from "../installation/ticket.ts";
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
import type {
  Authenticated,
  AuthenticationRefusal,
  AuthenticationRequest,
  Authenticator,
  HostIdentity,
} from "./ports.ts";

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

  vouched({ authorization, ticket }: AuthenticationRequest): string | undefined {
    const shown = shownIn(authorization);
    return shown && this.#adoption(ticket, shown)?.credentialHash;
  }

  async authenticate(
    { authorization, ticket }: AuthenticationRequest,
    signal: AbortSignal,
  ): Promise<Authenticated | { refused: AuthenticationRefusal }> {
    const shown = shownIn(authorization);
    if (shown === undefined) return { refused: MALFORMED };
    const { namespace, name, hash } = shown;
    if (this.#parts.watchNamespaces?.includes(namespace) === false) return { refused: UNKNOWN };
    const cached = this.#parts.caches.hosts.get({ namespace, name });
    const known = cached && (await this.#find(cached, signal));
    // A cache that is behind must not turn away who has just enrolled: a refusal is the API server's word.
    const found = holds(known, hash) ? known : await this.#findLive({ namespace, name }, signal);
    if (found?.host.spec.revoked === true) return { refused: REVOKED };
    const stored = found?.credential;
    if (found !== undefined && stored !== undefined) {
      // Also where the Host had an agent and was revoked (no hash): that is for good.
      if (stored.hash === undefined || !sameDigest(stored.hash, hash)) return { refused: UNKNOWN };
      return this.#authenticated(found.host, hash);
    }
    const issuedAt = this.#adoptable(ticket, shown);
    if (issuedAt === undefined) return { refused: UNKNOWN };
    return this.#adopt(found?.host, { ...shown, issuedAt }, signal);
  }

  #authenticated(host: Host, hash: string): Authenticated {
    // Kept for as long as the connection lives.
    const { status: _, ...known } = host;
    const stillHolds = async (signal: AbortSignal) => holds(await this.#find(known, signal), hash);
    return { host: identity(host), stillHolds };
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

  /** What the ticket says, if this installation issued it for the credential shown. */
  #adoption(ticket: string | undefined, shown: Shown): Adoption | undefined {
    const { installation } = this.#parts;
    const adoption = ticket === undefined ? undefined : installation.tickets.open(ticket);
    const fits =
      adoption !== undefined &&
      adoption.clusterID === installation.clusterID &&
      adoption.namespace === shown.namespace &&
      adoption.host === shown.name &&
      sameDigest(adoption.credentialHash, shown.hash);
    return fits ? adoption : undefined;
  }

  /** When the ticket was issued, ms since 1970, if it opens this door. */
  #adoptable(ticket: string | undefined, shown: Shown): number | undefined {
    const { installation, clock } = this.#parts;
    const { createdAt } = installation;
    const issuedAt = this.#adoption(ticket, shown)?.issuedAt;
    // A ticket of this very cluster is no use: here a Host that is missing was deleted, which is a revocation.
    const opens = issuedAt !== undefined && issuedAt < createdAt && clock.now() - createdAt < ADOPTION_MS;
    return opens ? issuedAt : undefined;
  }

  async #adopt(
    present: Host | undefined,
    agent: Shown & { issuedAt: number },
    signal: AbortSignal,
  ): Promise<Authenticated | { refused: AuthenticationRefusal }> {
    const { client, log } = this.#parts;
    const { namespace, name, hash, issuedAt } = agent;
    try {
      const metadata = { namespace, name };
      const host = present ?? (await client.create(Hosts, { metadata, spec: {} }, { signal }));
      if (present === undefined) audit(log, "host-created", host, { adopted: true });
      const draft = credentialSecret(host, { hash, enrolledTime: new Date(issuedAt).toISOString() });
      const secret = await client.create(Secrets, draft, { signal });
      audit(log, "credential-written", secret, { host: name, adopted: true });
      return this.#authenticated(host, hash);
    } catch (error) {
      // Somebody enrolled under this name at the same moment: the next try is judged by what stands there then.
      if (isAlreadyExists(error)) return { refused: { status: 503, code: "busy", message: "try again in a moment" } };
      if (isForbidden(error) || isNotFound(error)) return { refused: UNKNOWN }; // the namespace does not exist, or ends
      throw error;
    }
  }
}

/** What an agent says of itself: the names in its credential, and the SHA-256 of its secret part. */
interface Shown {
  readonly namespace: string;
  readonly name: string;
  readonly hash: string;
}

function shownIn(authorization = ""): Shown | undefined {
  const credential = parseCredential(/^Bearer (.{1,512})$/i.exec(authorization)?.[1] ?? "");
  return credential && { namespace: credential.namespace, name: credential.host, hash: sha256(credential.secret) };
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
