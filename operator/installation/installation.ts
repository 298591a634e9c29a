import { generateKeyPairSync, randomUUID } from "node:crypto";
import { z } from "zod";
import { HoldfastError } from "#base/errors.ts";
import type { Client } from "../kube/client.ts";
import { isAlreadyExists, isNotFound } from "../kube/kube-error.ts";
import { type Secret, Secrets } from "../kube/resource.ts";
import { createAuthority, spkiPin } from "./authority.ts";
import type { KeyPair } from "./certificate.ts";
import { Tickets } from "./ticket.ts";

/** What makes this installation the one its agents know. Lives in one Secret; whoever keeps that keeps the fleet. */
export interface Installation {
  /** Stands in every snapshot's tags: never changes. */
  readonly clusterID: string;
  /** When the Secret was created in this cluster, ms since 1970: adoption tickets from before belong to an earlier one. */
  readonly createdAt: number;
  readonly authority: KeyPair;
  /** `sha256/<base64>` of the authority's public key: what a new agent is given to know us by. */
  readonly pin: string;
  readonly tickets: Tickets;
}

const NAME = "holdfast-installation";

const content = z.object({
  clusterID: z.uuid(),
  "ca.crt": z.string().includes("BEGIN CERTIFICATE"),
  "ca.key": z.string().includes("BEGIN PRIVATE KEY"),
  "signing.key": z.string().includes("BEGIN PRIVATE KEY"),
});

/**
 * Reads the installation Secret of `namespace`, creating it where there is none. When several replicas start at once the
 * API server lets one create it, and the others read that one. `now`: milliseconds since 1970.
 */
export async function loadInstallation(client: Client, namespace: string, now: number): Promise<Installation> {
  const ref = { namespace, name: NAME };
  try {
    return parse(await client.get(Secrets, ref), namespace);
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  const stringData = await generate(now);
  const metadata = { ...ref, labels: { "app.kubernetes.io/part-of": "holdfast" } };
  try {
    return parse(await client.create(Secrets, { metadata, type: "Opaque", stringData }), namespace);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    return parse(await client.get(Secrets, ref), namespace);
  }
}

async function generate(now: number): Promise<z.infer<typeof content>> {
  const clusterID = randomUUID();
  const authority = await createAuthority(clusterID, now);
  const { privateKey } = generateKeyPairSync("ed25519");
  return {
    clusterID,
    "ca.crt": authority.cert,
    "ca.key": authority.key,
    "signing.key": String(privateKey.export({ type: "pkcs8", format: "pem" })),
  };
}

function parse(secret: Secret, namespace: string): Installation {
  const decoded = Object.entries(secret.data ?? {}).map(([key, value]) => [
    key,
    Buffer.from(value, "base64").toString(),
  ]);
  const result = content.safeParse(Object.fromEntries(decoded));
  if (!result.success) {
    const keys = [...new Set(result.error.issues.map((issue) => String(issue.path[0])))].join(", ");
    throw new HoldfastError(
      "installation/broken",
      `Secret ${namespace}/${NAME}: ${keys} missing or damaged. Restore the Secret from your backup. ` +
        "Only where no agent was ever enrolled: delete it and restart the operator, which makes a new one.",
    );
  }
  const { clusterID, "ca.crt": cert, "ca.key": key, "signing.key": signingKey } = result.data;
  return {
    clusterID,
    createdAt: Date.parse(secret.metadata.creationTimestamp ?? ""),
    authority: { cert, key },
    pin: spkiPin(cert),
    tickets: new Tickets(signingKey),
  };
}
