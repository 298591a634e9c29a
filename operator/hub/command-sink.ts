import type { Clock } from "#base/clock.ts";
import { messageOf } from "#base/errors.ts";
import type { BackupRun } from "#crds/backuprun.ts";
import type { Restore } from "#crds/restore.ts";
import { Reason } from "#protocol/outcome.ts";
import type { Caches } from "../controllers/caches.ts";
import type { Log } from "../kube/log.ts";
import { keyOf } from "../kube/resource.ts";
import type { OneShotRecord } from "./one-shot-status.ts";
import type { CommandAnswer, CommandSink, HostIdentity } from "./ports.ts";
import type { ResourceRecords } from "./record-sink.ts";
import type { TaskRecords } from "./task-records.ts";
import type { TaskTries } from "./task-tries.ts";

export interface CommandSinkParts {
  readonly caches: Pick<Caches, "activeRunsByHost" | "activeRestoresByHost" | "repositoriesByInitializer">;
  readonly records: Pick<ResourceRecords, "writeOneShot">;
  readonly tasks: Pick<TaskRecords, "refused">;
  readonly tries: Pick<TaskTries, "tried">;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Ends what an agent refused, or got too late, by the status of what asked for it: no record will. */
export class CommandAnswers implements CommandSink {
  readonly #parts: CommandSinkParts;

  constructor(parts: CommandSinkParts) {
    this.#parts = parts;
  }

  answered(host: HostIdentity, answer: CommandAnswer): void {
    if (answer.state !== "refused" && answer.state !== "expired") return;
    this.#end(host, answer).catch((error: unknown) => {
      if (this.#parts.signal.aborted) return;
      this.#parts.log.error({ command: answer.id, error: messageOf(error) }, "a command's end was not written");
    });
  }

  async #end(host: HostIdentity, answer: CommandAnswer): Promise<void> {
    const { caches, records, tasks, tries, clock, signal } = this.#parts;
    const key = keyOf({ metadata: host });
    const subject =
      caches.activeRunsByHost(key).find(({ metadata }) => metadata.uid === answer.id) ??
      caches.activeRestoresByHost(key).find(({ metadata }) => metadata.uid === answer.id);
    if (subject !== undefined) {
      await records.writeOneShot(host, endOf(subject, answer, clock.now()), signal);
      return;
    }
    const uid = tries.tried(answer.id)?.repositoryUID;
    const repository = caches.repositoriesByInitializer(key).find(({ metadata }) => metadata.uid === uid);
    if (repository === undefined) return;
    const message = answer.message ?? `the agent answered ${answer.state}`;
    await tasks.refused(host, repository, answer.id, message, signal);
  }
}

function endOf(subject: BackupRun | Restore, answer: CommandAnswer, now: number): OneShotRecord {
  const expired = answer.state === "expired";
  const otherwise = expired
    ? "the host could not begin with it before its starting deadline"
    : "the host refuses it; its agent's log says why";
  const ended = {
    uid: subject.metadata.uid,
    name: subject.metadata.name,
    attempt: 0,
    phase: "Failed",
    reason: expired ? Reason.DeadlineExceeded : Reason.HostRefused,
    message: answer.message ?? otherwise,
    completionTime: new Date(now).toISOString(),
  } as const;
  if (subject.kind === "Restore") return { kind: "restore", ...ended };
  // The policy is not asked for with a manual run, which is all that is ever commanded.
  const policy = { uid: "-", name: subject.spec.policyRef };
  return { kind: "run", ...ended, trigger: "Manual", policy, snapshots: [] };
}
