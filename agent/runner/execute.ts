import { rmSync } from "node:fs";
import { durationText } from "#base/units.ts";
import type { RepositoryAccess } from "#protocol/config.ts";
import { line } from "#protocol/text.ts";
import type { AttemptEnd } from "../state/journal.ts";
import { leftRunning } from "./adoption.ts";
import { type Attempt, type Live, type Machine, type StopReason, stoppedVerdict, verdictOf } from "./attempt.ts";
import { backup } from "./backup.ts";
import { mayPass, retryDelayMs, timeoutMessage } from "./classify.ts";
import { init } from "./init.ts";
import type { Lane } from "./lane.ts";
import type { End, Job } from "./records.ts";
import { redactor } from "./redact.ts";
import { restore } from "./restore.ts";
import { openRunLog } from "./run-log.ts";
import { type OpenAccess, openAccess, secretsOf } from "./secrets.ts";

/** How a job is carried out: what it may use, and whom it tells. */
export interface Execution {
  machine: Machine;
  lane: Lane;
  /** The run's own folder. */
  folder: string;
  /** Undefined for a restore whose access was lost with a former process. */
  access: RepositoryAccess | undefined;
  release: AbortSignal;
  stop: AbortController;
  /** What a former process had chosen to restore. */
  snapshotID: string | undefined;
  /** The job leaves the queue for the first time. */
  onBegin(): void;
  onLive(attempt: number, live: Live): void;
  onSnapshot(id: string): void;
}

export interface Executed {
  end: End;
  attempt: number;
  logTail: string;
  /** To be called once the end is in the journal; until then a new process needs what lies there. */
  cleanUp(): void;
}

/**
 * Carries out a job, attempt by attempt, or goes on with one that a former process began. Rejects only when `release`
 * aborts: the journal then says where the next process goes on.
 */
export async function execute(job: Job, execution: Execution): Promise<Executed> {
  const { machine, folder, release, stop } = execution;
  const { clock, journal } = machine;
  const opened = readAccess(job, execution);
  const secrets = "failed" in opened || opened.access === undefined ? [] : secretsOf(opened.access);
  const redact = redactor([...machine.secrets.known(job.uid), ...secrets]);
  /** Fit for a record: without secrets, with the host's paths, one line of bounded length. */
  const show = (text: string) => line(machine.paths.textToHost(redact(text)));
  const log = openRunLog(`${folder}/log`, redact);
  const endsAt = { ms: Number.POSITIVE_INFINITY };
  let cancelTimeout = () => {};
  let current = journal.attempts(job.uid).at(-1)?.attempt ?? 0;
  let end: End;

  try {
    end = await attempts();
  } catch (error) {
    if (release.aborted) log.close(clock.now());
    release.throwIfAborted();
    end = stoppedEnd() ?? verdictOf(error);
  } finally {
    cancelTimeout();
  }
  const unread = "unreadFiles" in end && end.unreadFiles !== undefined ? `, ${end.unreadFiles.count} unread files` : "";
  log.add(
    "agent",
    `ended: ${end.phase}, ${end.reason}${unread}${end.message === "" ? "" : `: ${end.message}`}`,
    clock.now(),
  );
  log.close(clock.now());
  return {
    end: { ...end, message: show(end.message) },
    attempt: current,
    logTail: log.tail(),
    cleanUp() {
      machine.secrets.remove(job.uid);
      for (let number = 1; number <= current; number++) {
        rmSync(`${folder}/attempt-${number}`, { recursive: true, force: true });
      }
    },
  };

  async function attempts(): Promise<End> {
    for (;;) {
      const adopted = leftRunning(journal, job.uid);
      if ("failed" in opened && !adopted) return opened.failed;
      // A restic that may be running is gone through to its end, whatever has been asked for or has changed since.
      const leave = await execution.lane.enter(adopted ? release : AbortSignal.any([stop.signal, release]));
      let ended: End;
      try {
        begin();
        ended = await oneAttempt("failed" in opened ? undefined : opened.access);
      } finally {
        leave();
      }
      const delay = retryIn(ended);
      // The last attempt ends in the journal together with its job: in between, a crash would look like a retry due.
      if (delay === undefined) return ended;
      journal.endAttempt(job.uid, current, clock.now(), attemptEnd(ended, show));
      const seconds = Math.round(delay / 1000);
      const message = `attempt ${current} failed: ${ended.message}; next attempt ${seconds === 0 ? "now" : `in ${seconds} s`}`;
      log.add("agent", message, clock.now());
      execution.onLive(current, { reason: ended.reason, message: show(message) });
      await clock.sleep(delay, AbortSignal.any([stop.signal, release]));
    }
  }

  function begin(): void {
    const { timeoutMs } = timeoutOf(job);
    const first = !Number.isFinite(endsAt.ms);
    if (first) {
      // Wall time, because the start may lie before a restart; a clock that went back must not make the timeout longer.
      const used = Math.min(timeoutMs, Math.max(0, clock.now() - (job.started ?? clock.now())));
      endsAt.ms = clock.monotonic() + timeoutMs - used;
      cancelTimeout = clock.after(timeoutMs - used, () => requestStop("Timeout"));
    }
    const last = journal.attempts(job.uid).at(-1);
    if (last !== undefined && last.finished === undefined) {
      // All of it is in the journal: a transaction, if only an empty one, might fail on a disk that is full.
      if (first) execution.onBegin();
      log.add("agent", `attempt ${last.attempt} goes on after a restart of the agent`, clock.now());
      return;
    }
    // One transaction, because each costs the disk a flush.
    machine.transaction(() => {
      if (first) execution.onBegin();
      current = (last?.attempt ?? 0) + 1;
      journal.beginAttempt(job.uid, current, clock.now());
    });
  }

  function requestStop(reason: StopReason): void {
    if (!stop.signal.aborted) stop.abort(reason);
  }

  async function oneAttempt(access: OpenAccess | undefined): Promise<End> {
    const attempt: Attempt = {
      uid: job.uid,
      attempt: current,
      folder: `${folder}/attempt-${current}`,
      log,
      steps: journal.steps(job.uid, current),
      timeout: timeoutOf(job).timeout,
      remainingMs: () => Math.max(0, endsAt.ms - clock.monotonic()),
      release,
      stop: stop.signal,
      requestStop,
      report: (live) => execution.onLive(current, live),
    };
    attempt.report({ reason: "Running", message: "" });
    try {
      return await one(attempt, access);
    } catch (error) {
      release.throwIfAborted();
      return stoppedVerdict(attempt) ?? verdictOf(error);
    }
  }

  function one(attempt: Attempt, access: OpenAccess | undefined): Promise<End> {
    switch (job.kind) {
      case "run":
        return backup(machine, attempt, job.spec, access);
      case "restore":
        return restore(machine, attempt, job.spec, access, execution.snapshotID, execution.onSnapshot);
      case "task":
        return init(machine, attempt, job.spec, access!);
    }
  }

  /** How long to wait before the next attempt; undefined where there is to be none. */
  function retryIn(ended: End): number | undefined {
    if (job.kind !== "run" || stop.signal.aborted) return undefined;
    const former = journal.attempts(job.uid).filter(({ finished }) => finished !== undefined);
    const interrupted = former.filter(({ reason }) => reason === "Interrupted").length;
    if (ended.reason === "Interrupted") return interrupted === 0 ? 0 : undefined;
    const tries = former.length - interrupted + 1;
    if (!mayPass(ended.reason) || tries > job.spec.policy.retries) return undefined;
    const delay = retryDelayMs(tries + 1, machine.random.next());
    return delay < endsAt.ms - clock.monotonic() ? delay : undefined;
  }

  function stoppedEnd(): End | undefined {
    if (stop.signal.reason === "Timeout")
      return { phase: "Failed", reason: "Timeout", message: timeoutMessage(timeoutOf(job).timeout) };
    if (!stop.signal.aborted) return undefined;
    const when = current === 0 ? "before its start" : "between two attempts";
    return { phase: "Cancelled", reason: "Cancelled", message: `cancelled ${when}` };
  }
}

/** What the journal keeps of an attempt. */
export function attemptEnd(end: End, show: (text: string) => string): AttemptEnd {
  const { phase, reason, message, exitCode } = end;
  return { phase, reason, message: show(message), ...(exitCode === undefined ? {} : { exitCode }) };
}

/** An init is short; an hour only bounds what hangs. */
const TASK_TIMEOUT_MS = 3_600_000;

function timeoutOf(job: Job): { timeoutMs: number; timeout: string } {
  const by = (timeoutMs: number, whose: string) => ({ timeoutMs, timeout: `${durationText(timeoutMs)}${whose}` });
  if (job.kind === "run") return by(job.spec.policy.timeoutMs, ` (timeout of BackupPolicy ${job.spec.policy.name})`);
  if (job.kind === "restore") return by(job.spec.command.timeoutMs, " (spec.timeout)");
  return by(TASK_TIMEOUT_MS, "");
}

function readAccess(job: Job, { access, machine }: Execution): { access: OpenAccess | undefined } | { failed: End } {
  if (access === undefined && (job.kind !== "restore" || job.state === "Queued")) {
    const message = "the agent restarted before this began and keeps no access to the repository: create it again";
    return { failed: { phase: "Failed", reason: "Interrupted", message } };
  }
  try {
    return { access: access === undefined ? undefined : openAccess(access, machine.rules, machine.environment) };
  } catch (error) {
    return { failed: verdictOf(error) };
  }
}
