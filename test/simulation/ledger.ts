import type { BackupRun } from "#crds/backuprun.ts";
import type { Host } from "#crds/host.ts";
import type { Restore } from "#crds/restore.ts";
import type { Command } from "#protocol/command.ts";
import { isTerminal } from "#protocol/outcome.ts";
import type { Record } from "#protocol/record.ts";
import { BackupRuns, Hosts, Restores } from "../../operator/controllers/kinds.ts";
import { idOf, keyOf } from "../../operator/kube/resource.ts";
import { writing } from "./api-client.ts";
import type { Accepted, ApiServer } from "./api-server.ts";

type OneShot = BackupRun | Restore;

const RUNS = idOf(BackupRuns);
const RESTORES = idOf(Restores);
const HOSTS = idOf(Hosts);

/** What the agent calls it: the runID of a scheduled run, else the resource's uid. */
function subjectOf(object: OneShot): string {
  return object.kind === "BackupRun" ? (object.spec.runID ?? object.metadata.uid) : object.metadata.uid;
}

/** Watches a history and says what must not have happened. */
export class Ledger {
  readonly wrong: string[] = [];
  /** Restics begun, by run and the folder of attempt and step. */
  #starts = new Map<string, number>();
  #imageStarts = new Map<string, number>();
  /** States written of each subject: phase and attempts. */
  readonly #written = new Map<string, Set<string>>();
  /** Ends that the agent itself has told, as they stand in Kubernetes. */
  readonly #told = new Map<string, string>();
  /** The last accepted write of each manager on each object. */
  readonly #last = new Map<string, { version: number; by: string }>();
  /** What a machine that was set back cannot know any more. */
  readonly forgiven = new Set<string>();
  /** Subjects of records that were refused for good. */
  readonly rejected = new Set<string>();
  /** Subjects whose resource was deleted. */
  readonly deleted = new Set<string>();
  readonly #server: ApiServer;
  readonly #now: () => number;
  /** Writes to the agent's disk were lost: a machine may look like another, and be told again what it was told. */
  diskFailed = false;

  constructor(server: ApiServer, now: () => number) {
    this.#server = server;
    this.#now = now;
  }

  fail(what: string): void {
    // One fault often shows again and again.
    if (this.wrong.length < 20) this.wrong.push(`${(this.#now() / 1000).toFixed(3)} s: ${what}`);
  }

  written(subject: string): ReadonlySet<string> {
    return this.#written.get(subject) ?? new Set();
  }

  onStart(run: string, folder: string, living: readonly string[]): void {
    const id = folder.slice(folder.indexOf("/run-") + 1);
    const count = (this.#starts.get(id) ?? 0) + 1;
    this.#starts.set(id, count);
    if (count > 1) this.fail(`restic began ${count} times in ${id}`);
    if (living.filter((other) => other.includes(`/run-${run}/`)).length > 1) this.fail(`two restics of ${run} at once`);
    if (living.filter((other) => other.endsWith("/backup")).length > 1) this.fail("two backups at once on one host");
    const told = this.#told.get(run);
    if (told !== undefined && !this.forgiven.has(run)) this.fail(`${run} began after its agent had told ${told}`);
  }

  /** The machine may come back to this moment. */
  onImage(): void {
    this.#imageStarts = new Map(this.#starts);
  }

  /** `told`: what the journal of before knows the end of, which may be on its way to Kubernetes yet. */
  onRollBack(told: readonly string[]): void {
    for (const subject of told) this.forgiven.add(subject);
    for (const id of this.#starts.keys()) {
      if (!this.#imageStarts.has(id)) this.forgiven.add(/run-([^/]+)/.exec(id)?.[1] ?? "");
    }
    for (const subject of this.#written.keys()) this.forgiven.add(subject);
    this.#starts = new Map(this.#imageStarts);
    this.diskFailed = true;
  }

  onCommand(command: Command, highestEpoch: number): void {
    if (command.epoch < highestEpoch) {
      this.fail(`the agent took ${command.type} ${command.id} of epoch ${command.epoch} after epoch ${highestEpoch}`);
    }
  }

  onReject(refused: readonly Record[]): void {
    for (const { uid } of refused) this.rejected.add(uid);
  }

  onAck(forgotten: readonly Record[]): void {
    for (const record of forgotten) {
      if (!this.isKept(record)) {
        this.fail(`${record.name} ${record.phase}, attempt ${record.attempt}, was acknowledged and never written`);
      }
    }
  }

  /** It stands in Kubernetes, stood there, or there is nothing left that it could stand in. */
  isKept(record: Record): boolean {
    if (record.kind === "task") return true;
    if (this.written(record.uid).has(`${record.phase}/${record.attempt}`)) return true;
    const standing = this.find(record);
    if (standing === undefined) return true;
    if (isTerminal(standing.status?.phase)) return true;
    return (standing.status?.attempts ?? 0) > record.attempt;
  }

  /** The resource that a record speaks of; undefined where there is none (any more). */
  find(record: Exclude<Record, { kind: "task" }>): OneShot | undefined {
    const kind = record.kind === "run" ? BackupRuns : Restores;
    const found = this.#server.find(kind, `backups/${record.name}`) as OneShot | undefined;
    return found !== undefined && subjectOf(found) === record.uid ? found : undefined;
  }

  onAccepted(write: Accepted): void {
    if (write.manager !== undefined) this.#fenced(write, write.manager);
    if (write.kind === HOSTS) this.#onHost(write);
    if (write.kind === RUNS || write.kind === RESTORES) this.#onOneShot(write);
  }

  #fenced({ kind, key, resourceVersion }: Accepted, manager: string): void {
    const id = `${kind} ${key} ${manager}`;
    const last = this.#last.get(id);
    if (last !== undefined && writing.basis < last.version) {
      this.fail(
        `${writing.replica} wrote ${id} as it knew it in version ${writing.basis}, but ${last.by} had written ${last.version}`,
      );
    }
    this.#last.set(id, { version: resourceVersion, by: writing.replica });
  }

  #onHost({ type, before, object, manager }: Accepted): void {
    if (type !== "MODIFIED" || manager !== "holdfast-session") return;
    const [old, now] = [before as Host, object as Host];
    const [was, is] = [old.status?.session?.epoch ?? 0, now.status?.session?.epoch ?? 0];
    if (is < was) this.fail(`the epoch of ${now.metadata.name} fell from ${was} to ${is}`);
    const reason = (host: Host, of: string) => host.status?.conditions?.find(({ type: name }) => name === of)?.reason;
    const conflict = reason(now, "IdentityConflict");
    if (conflict !== undefined && !this.diskFailed) this.fail("an honest agent was taken for a second machine");
    if (is > was) return;
    // The leader in a dead replica's stead or while the agent is away, and the replica that a second machine came to.
    const stands = now.status?.session?.replica;
    const [wasConnected, connected] = [reason(old, "Connected"), reason(now, "Connected")];
    const away = connected === "ReplicaGone" || (connected === "Disconnected" && wasConnected === connected);
    const inItsStead = away || conflict !== reason(old, "IdentityConflict");
    if (stands !== writing.replica && !inItsStead) {
      this.fail(`${writing.replica} wrote facts into the session that ${stands} holds by epoch ${is}`);
    }
  }

  #onOneShot({ type, before, object }: Accepted): void {
    const now = object as OneShot;
    const subject = subjectOf(now);
    const { phase, attempts } = now.status ?? {};
    if (type === "ADDED") this.#onlyOneOfItsSlot(now);
    if (type === "DELETED") this.deleted.add(subject);
    if (type !== "MODIFIED" || phase === undefined) return;
    const written = this.#written.get(subject) ?? new Set();
    this.#written.set(subject, written.add(`${phase}/${attempts ?? "-"}`));
    if (isTerminal(phase) && attempts !== undefined) this.#told.set(subject, phase);
    const old = (before as OneShot).status;
    if (!isTerminal(old?.phase)) return;
    const late = old.attempts === undefined && attempts !== undefined && isTerminal(phase);
    if (!late && (phase !== old.phase || attempts !== old.attempts || now.status?.reason !== old.reason)) {
      const from = `${old.phase} ${old.reason}, attempts ${old.attempts}`;
      this.fail(
        `${now.metadata.name} had ended as ${from} and became ${phase}, attempts ${attempts} (${writing.replica})`,
      );
    }
  }

  #onlyOneOfItsSlot(made: OneShot): void {
    if (made.kind !== "BackupRun" || made.spec.scheduledTime === undefined) return;
    const { policyRef, hostRef, scheduledTime } = made.spec;
    const same = (this.#server.all(BackupRuns) as BackupRun[]).filter(
      ({ spec }) => spec.policyRef === policyRef && spec.hostRef === hostRef && spec.scheduledTime === scheduledTime,
    );
    if (same.length > 1) this.fail(`the slot ${scheduledTime} of ${policyRef} has ${same.map(keyOf).join(" and ")}`);
  }
}
