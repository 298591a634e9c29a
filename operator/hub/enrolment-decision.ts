import type { EnrollmentToken } from "#crds/enrollmenttoken.ts";
import type { Host } from "#crds/host.ts";
import { type EnrollRequest, hostNameOf } from "#protocol/enroll.ts";

import { isTrue } from "../kube/conditions.ts";
import type { StoredCredential } from "./credential-secret.ts";
import { Refusal } from "./refusal.ts";

/** One use of a token, as its status keeps it. */
export interface Enrolment {
  readonly name: string;
  readonly credentialHash: string;
  readonly time: string;
}

/** What a token is used up to, and by whom. `repeated`: this use was counted before, its answer was lost. */
export interface TokenUse {
  readonly enrolment: Enrolment;
  readonly repeated: boolean;
  /** The token's whole enrolment status after this use. */
  readonly status: { readonly uses: number; readonly hosts: readonly Enrolment[] };
}

/** Lets an agent whose answer was lost complete its enrolment; later the same request could bring back a deleted Host. */
const REPEAT_WINDOW_MS = 10 * 60_000;

const ANOTHER = "Create another EnrollmentToken and run its install command.";

/** What using `token` for this request makes of it. `now`: ms since 1970. Throws Refusal. */
export function useToken(token: EnrollmentToken, request: EnrollRequest, now: number): TokenUse {
  const { spec, status = {}, metadata } = token;
  const of = `EnrollmentToken ${metadata.namespace}/${metadata.name}`;
  const name = nameFor(token, request);
  const hosts = (status.hosts ?? []) as readonly Enrolment[];
  const uses = status.uses ?? 0;
  const before = hosts.find((host) => host.credentialHash === request.credentialHash && host.name === name);
  if (before !== undefined && now - Date.parse(before.time) < REPEAT_WINDOW_MS) {
    return { enrolment: before, repeated: true, status: { uses, hosts } };
  }
  if (status.expiresAt === undefined) {
    throw new Refusal(503, "token_not_ready", `${of} was created just now; try again in a moment.`);
  }
  if (now >= Date.parse(status.expiresAt)) {
    throw new Refusal(401, "token_expired", `${of} expired at ${status.expiresAt}. ${ANOTHER}`);
  }
  const { maxUses = 1 } = spec;
  if (uses >= maxUses) {
    const times = maxUses === 1 ? "has been used" : `has been used ${maxUses} times, which is all it allows`;
    throw new Refusal(401, "token_used", `${of} ${times}. ${ANOTHER}`);
  }
  const enrolment = { name, credentialHash: request.credentialHash, time: new Date(now).toISOString() };
  const others = hosts.filter((host) => host.name !== name);
  return { enrolment, repeated: false, status: { uses: uses + 1, hosts: [...others, enrolment] } };
}

function nameFor(token: EnrollmentToken, request: EnrollRequest): string {
  const name = hostNameOf(request.hostname);
  if (name === "") {
    const message =
      "the hostname holds no letter or digit to make a Host name of; set one, or give the agent --hostname.";
    throw new Refusal(400, "hostname_invalid", message);
  }
  const { hostName } = token.spec;
  if (hostName !== undefined && hostName !== name) {
    throw new Refusal(
      403,
      "host_name_mismatch",
      `this token is for the Host ${hostName}, but this machine would be ${name}. ` +
        `Run it on the right machine, give the agent --hostname ${hostName}, or create a token for ${name}.`,
    );
  }
  return name;
}

/** What is to be done so that the credential of `enrolment` is the Host's. */
export type HostAdmission = "create-host" | "write-credential" | "replace-credential" | "done";

/**
 * Whether `enrolment` may have the Host, given what stands there. A Host without a credential is claimed by whoever comes
 * first; one that has, or had, an agent is taken over only by a token made for that, and made after that agent's
 * enrolment. Throws Refusal.
 */
export function admitHost(
  token: EnrollmentToken,
  enrolment: Enrolment,
  host: Host | undefined,
  credential: StoredCredential | undefined,
): HostAdmission {
  if (host === undefined) return "create-host";
  const of = `Host ${host.metadata.namespace}/${host.metadata.name}`;
  if (host.metadata.deletionTimestamp !== undefined) {
    throw new Refusal(409, "host_deleted", `${of} is being deleted; try again when it is gone.`);
  }
  if (host.spec.revoked === true) {
    throw new Refusal(
      403,
      "host_revoked",
      `${of} is revoked. To let this machine back in, wait for its condition Revoked, set its spec.revoked to false and use a token with hostName and reenroll.`,
    );
  }
  if (isTrue(host.status?.conditions, "Revoked")) {
    throw new Refusal(503, "host_revoked", `${of} was revoked until a moment ago; try again in a moment.`);
  }
  if (credential === undefined) return "write-credential";
  if (credential.hash === enrolment.credentialHash) return "done";
  const newer =
    Date.parse(enrolment.time) > Date.parse(credential.enrolledTime) &&
    Date.parse(token.metadata.creationTimestamp ?? "") >= Math.floor(Date.parse(credential.enrolledTime) / 1000) * 1000;
  if (token.spec.reenroll === true && token.spec.hostName === host.metadata.name && newer) return "replace-credential";
  const name = host.metadata.name;
  throw new Refusal(
    409,
    "host_exists",
    `${of} ${credential.hash === undefined ? "was revoked" : "has an agent already"}. If this is another machine, give the agent another name with --hostname. If it takes the ` +
      `old one's place, create a new EnrollmentToken with hostName: ${name} and reenroll: true and use that.`,
  );
}

/** Whether the session that stands on the Host, and the nonces in it, are of an agent before this enrolment's. */
export function hasEarlierAgent(host: Host, { time }: Enrolment): boolean {
  const { connectedTime } = host.status?.session ?? {};
  return connectedTime !== undefined && Date.parse(connectedTime) <= Date.parse(time);
}
