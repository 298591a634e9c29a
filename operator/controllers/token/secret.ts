import type { EnrollmentToken } from "#crds/enrollmenttoken.ts";
import { formatToken, parseToken } from "#protocol/enroll.ts";
import { type Draft, ownerReference, type Secret } from "../../kube/resource.ts";
import { EnrollmentTokens } from "../kinds.ts";

/** How a machine that knows nothing yet reaches this installation. */
export interface Address {
  /** https:// origin of the operator. */
  readonly server: string;
  /** `sha256/<base64>` of the authority's public key; absent behind a certificate that machines trust already. */
  readonly pin: string | undefined;
}

export function secretName(tokenName: string): string {
  return `holdfast-token-${tokenName}`;
}

export type SecretPlan =
  | { readonly do: "nothing" }
  | { readonly do: "create" | "update"; readonly draft: Draft<Secret> }
  /** It belongs to an EnrollmentToken of this name that is gone; the garbage collector has not come to it yet. */
  | { readonly do: "delete"; readonly uid: string }
  | { readonly do: "refuse"; readonly message: string };

/**
 * What to do about the Secret that hands the token to people. Its token is made once and then kept, whatever else in it is
 * brought up to date. `fresh` is a new 256-bit secret in base64url.
 */
export function planSecret(
  token: EnrollmentToken,
  existing: Secret | undefined,
  address: Address,
  fresh: string,
): SecretPlan {
  const { name, namespace, uid } = token.metadata;
  const owner = ownerReference(EnrollmentTokens, token);
  const metadata = { name: secretName(name), ...(namespace && { namespace }), ownerReferences: [owner] };
  if (existing === undefined) {
    const data = encoded(content(formatToken(uid, fresh), address));
    return { do: "create", draft: { metadata, type: "Opaque", data } };
  }
  const owners = existing.metadata.ownerReferences ?? [];
  if (!owners.some((each) => each.uid === uid)) {
    const ours = owners.some((each) => each.kind === EnrollmentTokens.kind && each.name === name);
    if (ours) return { do: "delete", uid: existing.metadata.uid };
    const message = `Secret ${secretName(name)} is there already and not the operator's; delete it, or give this EnrollmentToken another name`;
    return { do: "refuse", message };
  }
  const held = Buffer.from(existing.data?.["token"] ?? "", "base64").toString("utf8");
  const kept = parseToken(held)?.id === uid.replaceAll("-", "") ? held : formatToken(uid, fresh);
  const data = encoded(content(kept, address));
  if (Object.entries(data).every(([key, value]) => existing.data?.[key] === value)) return { do: "nothing" };
  // Of this very Secret: between reading and writing it another may have come in its place.
  return { do: "update", draft: { metadata: { resourceVersion: existing.metadata.resourceVersion }, data } };
}

/** The command takes the token from standard input: what stands in argv can be read by every user of the machine. */
function content(token: string, { server, pin }: Address): Record<string, string> {
  const options = pin === undefined ? `--server ${server}` : `--server ${server} --pin ${pin}`;
  return { token, server, pin: pin ?? "", command: `holdfast-agent enroll ${options} --token-file -` };
}

function encoded(data: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(value, "utf8").toString("base64")]),
  );
}
