import { HoldfastError } from "#base/errors.ts";
import type { SnapshotSelector } from "#protocol/command.ts";
import { rootOf } from "#protocol/names.ts";
import type { Snapshot } from "#protocol/record.ts";
import { counts } from "./lines.ts";

/** A snapshot of `restic snapshots --json`, as far as this agent needs it. */
export interface FoundSnapshot {
  id: string;
  /** Milliseconds since 1970. */
  time: number;
  /** The folder its paths lie below, that the host's do not; empty for none. */
  root: string;
  /** Numbers of the backup that made it; absent in snapshots of old restics. */
  summary?: Omit<Snapshot, "id" | "source">;
}

/** Reads restic's list; entries that are no snapshots are left out. Throws where it is no list at all. */
export function parseSnapshots(text: string): FoundSnapshot[] {
  const list: unknown = JSON.parse(text);
  if (!Array.isArray(list))
    throw new HoldfastError("agent/restic-answer", "restic's list of snapshots is no JSON list");
  return list.flatMap((entry) => {
    if (typeof entry?.id !== "string" || !/^[0-9a-f]{64}$/.test(entry.id) || typeof entry.time !== "string") return [];
    const time = Date.parse(entry.time);
    if (Number.isNaN(time)) return [];
    const summary =
      typeof entry.summary === "object" && entry.summary !== null ? { summary: counts(entry.summary) } : {};
    const tags = Array.isArray(entry.tags) ? entry.tags.filter((tag: unknown) => typeof tag === "string") : [];
    return [{ id: entry.id, time, root: rootOf(tags), ...summary }];
  });
}

/** The one snapshot that is meant, or throws agent/snapshot-not-found with what to do. */
export function pickSnapshot(found: readonly FoundSnapshot[], selector: SnapshotSelector): FoundSnapshot {
  const none = (what: string) => new HoldfastError("agent/snapshot-not-found", what);
  if ("id" in selector) {
    const matches = found.filter(({ id }) => id.startsWith(selector.id));
    if (matches.length === 1) return matches[0]!;
    throw none(
      matches.length === 0
        ? `the repository has no snapshot ${selector.id}: take an id from the status of a BackupRun, or leave it out for the latest`
        : `${matches.length} snapshots begin with ${selector.id}: write more digits of the id`,
    );
  }
  const before = selector.before === undefined ? Number.POSITIVE_INFINITY : Date.parse(selector.before);
  const latest = found
    .filter(({ time }) => time <= before)
    .reduce<FoundSnapshot | undefined>(
      (best, next) => (best === undefined || next.time > best.time ? next : best),
      undefined,
    );
  if (latest !== undefined) return latest;
  // What the user can correct; the tags of the installation are not.
  const named = selector.tags.filter((tag) => /^(policy|source)=/.test(tag)).join(", ");
  const of = `${named}${selector.host === undefined ? "" : ` of host ${selector.host}`}`;
  throw none(
    found.length === 0
      ? `the repository has no snapshot with ${of}: check source.policy and source.hostName, or whether a backup has succeeded yet`
      : `the repository has ${found.length} ${found.length === 1 ? "snapshot" : "snapshots"} with ${of}, but none from before ${selector.before}: choose a later time`,
  );
}
