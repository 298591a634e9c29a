import type { Clock } from "#base/clock.ts";
import { messageOf } from "#base/errors.ts";
import type { Random } from "#base/random.ts";
import type { BackupRun } from "#crds/backuprun.ts";
import type { Restore } from "#crds/restore.ts";
import { Reason } from "#protocol/outcome.ts";
import { line } from "#protocol/text.ts";
import type { Caches } from "../controllers/caches.ts";
import { BackupRuns, Restores } from "../controllers/kinds.ts";
import type { Verdict } from "../controllers/one-shot/decide.ts";
import { settle } from "../controllers/one-shot/settle.ts";
import { restoreWriter, runWriter } from "../controllers/one-shot/writers.ts";
import type { Client } from "../kube/client.ts";
import type { Log } from "../kube/log.ts";
import { keyOf } from "../kube/resource.ts";
import { TokenBuckets } from "../kube/token-buckets.ts";
import { persist } from "./persist.ts";
import type { CommandAnswer, CommandSink, HostIdentity } from "./ports.ts";
import type { TaskRecords } from "./task-records.ts";
import type { TaskTries } from "./task-tries.ts";

export interface CommandSinkParts {
  readonly caches: Pick<Caches, "activeRunsByHost" | "activeRestoresByHost" | "repositoriesByInitializer">;
  readonly tasks: Pick<TaskRecords, "refused">;
  readonly tries: Pick<TaskTries, "tried">;
  readonly client: Client;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** An agent says once a session what became of a command; the caches show what was made of it a moment later. */
const ANSWERS = { perSecond: 0.1, burst: 3 };

/** Ends what an agent refused, or got too late, by the status of what asked for it: no record will. */
export class CommandAnswers implements CommandSink {
  readonly #parts: CommandSinkParts;
  /** By the uid of what asked for the command. */
  readonly #answers: TokenBuckets;

  constructor(parts: CommandSinkParts) {
    this.#parts = parts;
    this.#answers = new TokenBuckets({ ...ANSWERS, clock: parts.clock });
  }

  answered(host: HostIdentity, answer: CommandAnswer): void {
    if (answer.state !== "refused" && answer.state !== "expired") return;
    this.#end(host, answer).catch((error: unknown) => {
      if (this.#parts.signal.aborted) return;
      this.#parts.log.error({ command: answer.id, error: messageOf(error) }, "a command's end was not written");
    });
  }

  async #end(host: HostIdentity, answer: CommandAnswer): Promise<void> {
    const { caches, tasks, tries, signal } = this.#parts;
    const key = keyOf({ metadata: host });
    const subject =
      caches.activeRunsByHost(key).find(({ metadata }) => metadata.uid === answer.id) ??
      caches.activeRestoresByHost(key).find(({ metadata }) => metadata.uid === answer.id);
    if (subject !== undefined) {
      if (this.#answers.take(subject.metadata.uid) > 0) return;
      // An end that is supposed, as the leader's are: should the host carry it out all the same, its result stands.
      await persist(this.#parts, signal, () => {
        const end = (_: number, one: BackupRun | Restore) => endOf(one, answer);
        if (subject.kind === "Restore") return settle(this.#parts, Restores, restoreWriter, subject, end);
        return settle(this.#parts, BackupRuns, runWriter, subject, end);
      });
      return;
    }
    const uid = tries.tried(answer.id)?.repositoryUID;
    const repository = caches.repositoriesByInitializer(key).find(({ metadata }) => metadata.uid === uid);
    if (repository === undefined) return;
    const message = answer.message ?? `the agent answered ${answer.state}`;
    await tasks.refused(host, repository, answer.id, message, signal);
  }
}

/** Only where no agent has reported on it since: in a later session the same command may well have been taken. */
function endOf({ status }: BackupRun | Restore, answer: CommandAnswer): Verdict {
  if (status?.phase !== undefined && status.phase !== "Pending") return {};
  const expired = answer.state === "expired";
  const otherwise = expired
    ? "the host could not begin with it before its starting deadline"
    : "the host refuses it; its agent's log says why";
  const reason = expired ? Reason.DeadlineExceeded : Reason.HostRefused;
  return { state: { phase: "Failed", reason, message: line(answer.message ?? otherwise) } };
}
