import type { Clock } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import type { EnrollmentToken } from "#crds/enrollmenttoken.ts";
import type { Host } from "#crds/host.ts";
import { sha256 } from "#protocol/canonical.ts";
import { type EnrollRequest, type EnrollResponse, parseToken } from "#protocol/enroll.ts";
import type { Caches } from "../controllers/caches.ts";
import { EnrollmentTokens, Hosts } from "../controllers/kinds.ts";
import { enrollWriter } from "../controllers/token/writers.ts";
import type { Installation } from "../installation/installation.ts";
import { applyStatus } from "../kube/apply.ts";
import type { Client } from "../kube/client.ts";
import { isAlreadyExists, isInvalid, isNotFound } from "../kube/kube-error.ts";
import type { Log } from "../kube/log.ts";
import { type Secret, Secrets } from "../kube/resource.ts";
import { audit } from "./audit.ts";
import {
  credentialSecret,
  credentialSecretRef,
  type StoredCredential,
  sameDigest,
  storedCredential,
} from "./credential-secret.ts";
import { admitHost, type Enrolment, hasEarlierAgent, type TokenUse, useToken } from "./enrolment-decision.ts";
import { persist } from "./persist.ts";
import { Refusal } from "./refusal.ts";

const UNKNOWN =
  "this token is not known here: it was deleted, belongs to another installation, or was not copied whole. " +
  "Create another EnrollmentToken and run its install command.";

export interface EnrolmentParts {
  readonly client: Client;
  readonly caches: Pick<Caches, "tokens" | "tokensByID">;
  readonly installation: Installation;
  /** wss:// address of the agents' endpoint. */
  readonly endpoint: string;
  /** Ends the session and the nonces of the agent that had the Host until now. */
  readonly onTakeover: (host: Host, signal: AbortSignal) => Promise<void>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/**
 * Makes a machine with a token into a Host with a credential. In this order: the token's use is counted by
 * compare-and-swap, then the Host, then the credential's Secret; so that a repeat after a crash in between, or after a
 * lost answer, finds its own use and completes what is missing.
 */
export class EnrolmentDesk {
  readonly #parts: EnrolmentParts;

  constructor(parts: EnrolmentParts) {
    this.#parts = parts;
  }

  /** Throws Refusal for what the agent can be told, KubeError when the API server fails. */
  async enroll(request: EnrollRequest, signal: AbortSignal): Promise<EnrollResponse> {
    const known = await this.#authenticate(request.token, signal);
    const { token, use } = await this.#count(known, request, signal);
    const host = await this.#complete(token, use.enrolment, signal);
    const { clusterID, authority, tickets } = this.#parts.installation;
    const { namespace = "", name, uid } = host.metadata;
    const { credentialHash } = use.enrolment;
    const issuedAt = this.#parts.clock.now();
    return {
      host: { uid, namespace, name },
      clusterID,
      endpoint: this.#parts.endpoint,
      ca: [authority.cert],
      ticket: tickets.issue({ clusterID, namespace, host: name, credentialHash, issuedAt }),
    };
  }

  /** The EnrollmentToken whose Secret holds just this token. */
  async #authenticate(text: string, signal: AbortSignal): Promise<EnrollmentToken> {
    const parsed = parseToken(text);
    if (parsed === undefined) {
      const message =
        "this is no enrolment token: one begins with hft_ and has 80 characters. Copy it whole, without spaces.";
      throw new Refusal(400, "token_malformed", message);
    }
    const { tokens, tokensByID } = this.#parts.caches;
    if (!tokens.hasSynced) throw new Refusal(503, "starting", "the operator has just started; try again in a moment.");
    const [token] = tokensByID(parsed.id);
    if (token === undefined || token.metadata.deletionTimestamp !== undefined) {
      throw new Refusal(401, "token_unknown", UNKNOWN);
    }
    const { namespace, name, uid } = token.metadata;
    const secret = await this.#read({ namespace, name: `holdfast-token-${name}` }, signal);
    const stored = Buffer.from(secret?.data?.["token"] ?? "", "base64");
    const owned = secret?.metadata.ownerReferences?.some((owner) => owner.uid === uid) === true;
    // Digests of equal length: the time the comparison takes says nothing of the token.
    if (!owned || !sameDigest(sha256(stored), sha256(text))) throw new Refusal(401, "token_unknown", UNKNOWN);
    return token;
  }

  /** Counts the use, unless it was counted before. A use that would only meet a refusal is not counted. */
  #count(
    known: EnrollmentToken,
    request: EnrollRequest,
    signal: AbortSignal,
  ): Promise<{ token: EnrollmentToken; use: TokenUse }> {
    const { client, clock, log } = this.#parts;
    return persist(this.#parts, signal, async (fresh) => {
      const token = fresh ? await this.#again(known, signal) : known;
      const use = useToken(token, request, clock.now());
      if (use.repeated) return { token, use };
      const { host, credential } = await this.#standing(token, use.enrolment, signal);
      admitHost(token, use.enrolment, host, credential);
      const { object } = await applyStatus(client, EnrollmentTokens, token, enrollWriter, use.status, { signal }).catch(
        (error: unknown) => {
          // Deleted meanwhile; nothing was used.
          if (isNotFound(error)) throw new Refusal(401, "token_unknown", UNKNOWN);
          throw error;
        },
      );
      audit(log, "token-used", object, { host: use.enrolment.name, uses: use.status.uses });
      return { token, use };
    });
  }

  async #again(known: EnrollmentToken, signal: AbortSignal): Promise<EnrollmentToken> {
    try {
      const token = await this.#parts.client.get(EnrollmentTokens, known.metadata, { signal });
      if (token.metadata.uid === known.metadata.uid && token.metadata.deletionTimestamp === undefined) return token;
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    throw new Refusal(401, "token_unknown", UNKNOWN);
  }

  /** Host and Secret as the enrolment wants them, whatever is there already. */
  #complete(token: EnrollmentToken, enrolment: Enrolment, signal: AbortSignal): Promise<Host> {
    const { log } = this.#parts;
    return persist(this.#parts, signal, async () => {
      for (;;) {
        const { host, secret, credential } = await this.#standing(token, enrolment, signal);
        const admission = admitHost(token, enrolment, host, credential);
        if (host === undefined) {
          const made = await this.#createHost(token, enrolment, signal);
          if (made !== undefined) audit(log, "host-created", made, { enrollmentToken: token.metadata.name });
          continue;
        }
        if (admission !== "done") {
          const draft = credentialSecret(host, { hash: enrolment.credentialHash, enrolledTime: enrolment.time });
          const written = await this.#writeSecret(draft, secret, signal);
          if (written === undefined) continue;
          audit(log, "credential-written", written, { host: enrolment.name, enrollmentToken: token.metadata.name });
        }
        // Asked of the Host, too: this may be the repeat of an enrolment that broke off here.
        if (admission === "replace-credential" || hasEarlierAgent(host, enrolment))
          await this.#parts.onTakeover(host, signal);
        return host;
      }
    });
  }

  async #standing(
    token: EnrollmentToken,
    { name }: Enrolment,
    signal: AbortSignal,
  ): Promise<{ host?: Host; secret?: Secret; credential?: StoredCredential }> {
    const ref = { namespace: token.metadata.namespace, name };
    // Before the Host: a revocation that the Host read here does not show changes this Secret after it was read.
    const secret = await this.#read(credentialSecretRef(ref), signal);
    const host = await this.#parts.client.get(Hosts, ref, { signal }).catch(absent);
    if (host === undefined) return {};
    if (secret === undefined) return { host };
    const credential = storedCredential(secret, host);
    return credential === undefined ? { host, secret } : { host, secret, credential };
  }

  /** Undefined where somebody else has just created it. */
  async #createHost(token: EnrollmentToken, { name }: Enrolment, signal: AbortSignal): Promise<Host | undefined> {
    const { namespace = "" } = token.metadata;
    const { hostLabels = {} } = token.spec;
    try {
      return await this.#parts.client.create(
        Hosts,
        { metadata: { namespace, name, labels: hostLabels }, spec: {} },
        { signal },
      );
    } catch (error) {
      if (isAlreadyExists(error)) return undefined;
      if (!isInvalid(error)) throw error;
      throw new Refusal(
        409,
        "host_invalid",
        `the API server refuses the Host ${name}; look at the token's hostLabels. ${error instanceof Error ? error.message : ""}`,
      );
    }
  }

  /** Undefined where somebody else has just written it: then what stands there decides. */
  async #writeSecret(draft: ReturnType<typeof credentialSecret>, old: Secret | undefined, signal: AbortSignal) {
    const { client } = this.#parts;
    if (old !== undefined) {
      const { resourceVersion, uid } = old.metadata;
      return client.update(
        Secrets,
        { ...old, ...draft, metadata: { ...old.metadata, ...draft.metadata, uid, resourceVersion } } as Secret,
        { signal },
      );
    }
    return client.create(Secrets, draft, { signal }).catch((error: unknown) => {
      if (isAlreadyExists(error)) return undefined;
      throw error;
    });
  }

  #read(ref: { namespace?: string | undefined; name: string }, signal: AbortSignal): Promise<Secret | undefined> {
    return this.#parts.client.get(Secrets, ref, { signal }).catch(absent);
  }
}

function absent(error: unknown): undefined {
  if (!isNotFound(error)) throw error;
}
