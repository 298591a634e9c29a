import { createHash } from "node:crypto";

/** Namespace of our version 5 UUIDs (random, fixed for ever: a change would give every scheduled run a second name). */
const RUN_NAMESPACE = Buffer.from("9d1f6a52c0b74c1c8f0e5a3b7d2e4c61", "hex");

/** RFC 9562 version 5. */
function uuid5(namespace: Buffer, name: string): string {
  const hash = createHash("sha1").update(namespace).update(name, "utf8").digest().subarray(0, 16);
  hash[6] = (hash[6]! & 0x0f) | 0x50;
  hash[8] = (hash[8]! & 0x3f) | 0x80;
  const hex = hash.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** What makes a run the one it is: a slot (RFC 3339 in UTC) or the value of the run-requested-at annotation. */
export interface RunIdentity {
  policyUID: string;
  hostUID: string;
  occasion: string;
}

/** The runID of a scheduled run, the same wherever it is computed; a manual run's is its resource's UID. */
export function runID(identity: RunIdentity): string {
  return uuid5(RUN_NAMESPACE, `${identity.policyUID}/${identity.hostUID}/${identity.occasion}`);
}

/** 26 letters and digits without the vowels that make words: base 32 by Kubernetes' own habit of generated names. */
const ALPHABET = "bcdfghjklmnpqrstvwxz2456789";

/**
 * `<policy>-<host>-<hash>`, at most 63 characters so that it also fits a label. The hash alone makes it unique: the name is
 * the lock that keeps one slot from having two BackupRuns.
 */
export function runName(policyName: string, hostName: string, identity: RunIdentity): string {
  const digest = createHash("sha256").update(`${identity.policyUID}/${identity.hostUID}/${identity.occasion}`).digest();
  const hash = [...digest.subarray(0, 10)].map((byte) => ALPHABET[byte % ALPHABET.length]).join("");
  const trim = (text: string, length: number) => text.slice(0, length).replace(/[-.]+$/, "");
  return `${trim(policyName, 25)}-${trim(hostName, 25)}-${hash}`;
}

/** The tags every snapshot carries. Identity that outlives a cluster is by name and cluster id, never by UID. */
export function snapshotTags(of: {
  clusterID: string;
  namespace: string;
  policy: string;
  source: string;
  runID?: string;
}): string[] {
  return [
    "holdfast",
    `cluster=${of.clusterID}`,
    `policy=${of.namespace}/${of.policy}`,
    `source=${of.source}`,
    ...(of.runID === undefined ? [] : [`run=${of.runID}`]),
  ];
}

/**
 * The tag of a snapshot that was taken below a root folder (`/host` in a DaemonSet): its paths begin with that folder, the
 * host's do not. restic splits tags at commas.
 */
export function rootTag(root: string): string {
  return `root=${root.replace(/[%,]/g, encodeURIComponent)}`;
}
/** The root folder a snapshot with `tags` was taken below; empty where it was the host's own, or no folder is named. */
export function rootOf(tags: readonly string[]): string {
  const value = tags.find((tag) => tag.startsWith("root="))?.slice("root=".length) ?? "";
  try {
    const root = decodeURIComponent(value);
    return /^(\/[^/\0]+)+$/.test(root) && !root.split("/").includes("..") ? root : "";
  } catch {
    return ""; // Not written by us.
  }
}

/** Prefixes and words of ours that a user's tag must not take, lest it join another policy's snapshots. */
export const RESERVED_TAG = /^(holdfast$|cluster=|policy=|source=|run=|root=)/;
