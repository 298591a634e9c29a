import { timingSafeEqual } from "node:crypto";
import type { Host } from "#crds/host.ts";
import { digest } from "#protocol/fields.ts";

import { Hosts } from "../controllers/kinds.ts";
import { type Draft, ownerReference, type Ref, type Secret } from "../kube/resource.ts";

/** What the cluster keeps of an agent's credential: enough to know it again, nothing to show it with. */
export interface StoredCredential {
  /** SHA-256 of the credential's secret part, hexadecimal; absent: revoked for good. */
  readonly hash?: string;
  /** Of the enrolment that wrote it, RFC 3339. */
  readonly enrolledTime: string;
  /** metadata.generation of the Host at its last revocation; absent once it was enrolled after that. */
  readonly revokedGeneration?: number | undefined;
}

const KEY = "credentialHash";
const ENROLLED = "holdfast.dev/enrolled-time";
const REVOKED = "holdfast.dev/revoked-generation";

export function credentialSecretRef(host: Ref): Ref {
  return { namespace: host.namespace, name: `holdfast-host-${host.name}` };
}

/** The credential in `secret`; undefined for a Secret of another incarnation of the Host, which counts as none. */
export function storedCredential(secret: Secret, host: Host): StoredCredential | undefined {
  if (!secret.metadata.ownerReferences?.some(({ uid }) => uid === host.metadata.uid)) return undefined;
  const hash = digest.safeParse(Buffer.from(secret.data?.[KEY] ?? "", "base64").toString("utf8"));
  const enrolledTime = secret.metadata.annotations?.[ENROLLED] ?? secret.metadata.creationTimestamp ?? "";
  const revokedGeneration = Number(secret.metadata.annotations?.[REVOKED] ?? Number.NaN);
  return {
    ...(hash.success && { hash: hash.data }),
    enrolledTime,
    ...(!Number.isNaN(revokedGeneration) && { revokedGeneration }),
  };
}

/** The whole Secret of a credential, owned by its Host, so that it goes with it. */
export function credentialSecret(host: Host, credential: StoredCredential): Draft<Secret> {
  const { hash = "", enrolledTime, revokedGeneration } = credential;
  const revoked = revokedGeneration === undefined ? {} : { [REVOKED]: String(revokedGeneration) };
  return {
    metadata: {
      ...(credentialSecretRef(host.metadata) as { namespace: string; name: string }),
      labels: { "app.kubernetes.io/part-of": "holdfast" },
      annotations: { [ENROLLED]: enrolledTime, ...revoked },
      ownerReferences: [ownerReference(Hosts, host)],
    },
    type: "Opaque",
    data: { [KEY]: Buffer.from(hash).toString("base64") },
  };
}

/** Whether two SHA-256 digests in hexadecimal are equal, in a time that does not tell where they differ. */
export function sameDigest(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a, "hex"), Buffer.from(b, "hex")];
  return left.length === 32 && right.length === 32 && timingSafeEqual(left, right);
}
