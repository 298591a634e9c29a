import { existsSync, readdirSync, rmSync } from "node:fs";
import { messageOf } from "#base/errors.ts";
import type { RepositoryAccess } from "#protocol/config.ts";
import { COMMAND_MEMORY_MS, MAX_ACTIVE } from "#protocol/limits.ts";
import type { Record } from "#protocol/record.ts";
import type { Core, ProgressReport } from "../link/core.ts";
import type { State } from "../state/state.ts";
import { adoptionOrder } from "./adoption.ts";
import type { Live, Machine } from "./attempt.ts";
import { attemptEnd, execute } from "./execute.ts";
import { type Lane, openLane } from "./lane.ts";
import { finalRecord, iso, type Job, jobOf, progressReport, runningRecord, type Standing } from "./records.ts";
import { readLogChunk } from "./run-log.ts";

/** Runs the jobs of the journal: backups one at a time, restores beside them, tasks one at a time for each repository. */
export interface Runner {
  /** Goes on with all that a former process left unfinished. */
  adopt(): void;
  /** Queues a job that is in the journal; a restore brings its access with it, all others have it sealed there. */
  submit(uid: string, access?: RepositoryAccess): void;
  /** False where no such job is queued or running. */
  cancel(uid: string): boolean;
  active(): string[];
  /** Forgets what ended over seven days ago, and the logs of all but the newest runs. */
  tidy(): void;
  /** Lets go of every job; running restics go on. */
  stop(): Promise<void>;
  readLog: Core["readLog"];
}

export interface RunnerEvents {
  /** A record was put into the outbox. */
  onRecord(): void;
  onProgress(report: ProgressReport): void;
  /** When a policy fires next, in milliseconds since 1970. */
  nextTime(policyUID: string): number | undefined;
}

/** A scheduled run that ends sooner has only its final record. */
const ANNOUNCE_AFTER_MS = 10_000;
/** Progress of one run on the wire. */
const PROGRESS_EVERY_MS = 1_000;
const MAX_KEPT_LOGS = 200;
const WRITE_AGAIN_MS = 5_000;

interface Active {
  name: string;
  lane: Lane;
  stop: AbortController;
  done: Promise<void>;
}

export function openRunner(machine: Machine, state: State, events: RunnerEvents): Runner {
  const { clock, journal, log } = machine;
  const release = new AbortController();
  const jobs = new Map<string, Active>();
  const backups = openLane(1);
  const restores = openLane(1);
  const tasks = new Map<string, Lane>();
  const runs = `${state.dir}/runs`;
  const folderOf = (uid: string) => `${runs}/run-${uid}`;

  function laneOf(job: Job): Lane {
    if (job.kind !== "task") return job.kind === "run" ? backups : restores;
    const lane = tasks.get(job.spec.repositoryUID) ?? openLane(1);
    tasks.set(job.spec.repositoryUID, lane);
    return lane;
  }

  function publish(record: Record, also: () => void): void {
    state.transaction(() => {
      also();
      state.outbox.add(record);
    });
    events.onRecord();
  }

  const nextScheduleTime = (job: Job) => {
    const next = job.kind === "run" ? events.nextTime(job.spec.policy.uid) : undefined;
    return next === undefined ? {} : { nextScheduleTime: iso(next) };
  };

  function run(job: Job, access: RepositoryAccess | undefined): void {
    const stop = new AbortController();
    if (job.cancel) stop.abort("Cancelled");
    const lane = laneOf(job);
    const before = [...jobs.values()].findLast((each) => each.lane === lane)?.name;
    const telling = tell(job, before);
    telling.queued();
    const done = execute(job, {
      machine,
      lane,
      folder: folderOf(job.uid),
      access,
      release: release.signal,
      stop,
      snapshotID: telling.snapshotID(),
      onBegin() {
        const now = clock.now();
        job.started ??= now;
        // One that was adopted began long ago: nothing needs to be written, which a full disk might refuse.
        if (job.state === "Queued") journal.begin(job.uid, now);
        telling.begun();
      },
      onLive: telling.live,
      onSnapshot: telling.snapshot,
    })
      .then(async ({ end, attempt, logTail, cleanUp }) => {
        const finished = clock.now();
        const started = job.started === undefined ? {} : { started: job.started };
        const record = finalRecord(job, end, { attempt, ...started, finished, logTail, ...nextScheduleTime(job) });
        await untilWritten(job, () =>
          publish(record, () => {
            if (attempt > 0)
              journal.endAttempt(
                job.uid,
                attempt,
                finished,
                attemptEnd(end, (text) => text),
              );
            journal.end(job.uid, finished, record);
          }),
        );
        cleanUp();
        log.info({ uid: job.uid, name: job.name, phase: end.phase, reason: end.reason }, `${job.kind} ended`);
      })
      .catch((error: unknown) => {
        // The journal still has the job, for the next process.
        if (!release.signal.aborted)
          log.error({ uid: job.uid, name: job.name, error: messageOf(error) }, "run could not be carried out");
      })
      .finally(() => {
        telling.end();
        jobs.delete(job.uid);
      });
    jobs.set(job.uid, { name: job.name, lane, stop, done });
  }

  /** A disk that is full now may not be later: a result is held until it is written. Rejects only on release. */
  async function untilWritten(job: Job, write: () => void): Promise<void> {
    for (;;) {
      try {
        return write();
      } catch (error) {
        log.error(
          { uid: job.uid, name: job.name, error: messageOf(error) },
          "result could not be written, trying again",
        );
      }
      await clock.sleep(WRITE_AGAIN_MS, release.signal);
    }
  }

  /** What is said of one job while it is under way; `before` names the one before it in its lane. */
  function tell(job: Job, before: string | undefined) {
    const former = journal.record(job.uid);
    let snapshotID = former?.kind === "restore" ? former.snapshotID : undefined;
    let standing: Standing = {
      attempt: 0,
      phase: "Queued",
      reason: "Queued",
      message: `waits for its turn on this host${before === undefined ? "" : `, behind ${before}`}`,
    };
    let announced = former !== undefined;
    let lastProgress = Number.NEGATIVE_INFINITY;
    let cancelAnnounce = () => {};

    function announce(): void {
      if (job.kind === "task") return;
      announced = true;
      const record = runningRecord(job, standing, {
        ...(snapshotID === undefined ? {} : { snapshotID }),
        ...nextScheduleTime(job),
      });
      try {
        publish(record, () => journal.saveRecord(record));
      } catch (error) {
        // The run itself must not end because nobody can be told of it.
        log.error({ uid: job.uid, name: job.name, error: messageOf(error) }, "state of a run could not be written");
      }
    }

    function progress(force: boolean): void {
      // A task is short: only what keeps it from getting on is news.
      if (job.kind === "task" && (standing.reason === "Queued" || standing.reason === "Running")) return;
      const now = clock.monotonic();
      if (!force && now - lastProgress < PROGRESS_EVERY_MS) return;
      lastProgress = now;
      events.onProgress(progressReport(job, standing));
    }

    return {
      snapshotID: () => snapshotID,
      queued: () => progress(true),
      begun() {
        standing = { ...standing, phase: "Running", reason: "Running", message: "", started: job.started! };
        const scheduled = job.kind === "run" && job.spec.trigger !== "Manual";
        // A clock that was set back must not put it off.
        const wait = scheduled && !announced ? ANNOUNCE_AFTER_MS - Math.max(0, clock.now() - job.started!) : 0;
        if (wait > 0) cancelAnnounce = clock.after(wait, announce);
      },
      live(attempt: number, { reason, message, progress: seen }: Live) {
        const changed = reason !== standing.reason || attempt !== standing.attempt;
        standing = { ...standing, attempt, reason, message, ...(seen === undefined ? {} : { progress: seen }) };
        const scheduled = job.kind === "run" && job.spec.trigger !== "Manual";
        if (changed && (announced || !scheduled)) announce();
        progress(changed);
      },
      snapshot(id: string) {
        snapshotID = id;
        announce();
      },
      end: () => cancelAnnounce(),
    };
  }

  return {
    adopt() {
      const unfinished = journal.unfinished();
      machine.secrets.retain(unfinished.map(({ uid }) => uid));
      for (const found of adoptionOrder(journal, unfinished)) {
        log.info({ uid: found.uid, name: found.name, state: found.state }, "going on with an unfinished run");
        run(jobOf(found), journal.access(found.uid) as RepositoryAccess | undefined);
      }
    },
    submit(uid, access) {
      const found = journal.find(uid);
      if (found === undefined || jobs.has(uid) || release.signal.aborted) return;
      run(jobOf(found), access ?? (journal.access(uid) as RepositoryAccess | undefined));
    },
    cancel(uid) {
      const found = journal.find(uid);
      if (found === undefined || found.state === "Done") return false;
      // In the journal first: a job that is not yet submitted, or adopted by the next process, reads it there.
      journal.requestCancel(uid);
      const job = jobs.get(uid);
      if (job !== undefined && !job.stop.signal.aborted) job.stop.abort("Cancelled");
      return true;
    },
    active() {
      const all = journal.unfinished().flatMap(({ uid, kind }) => (kind === "task" ? [] : [uid]));
      return all.slice(0, MAX_ACTIVE);
    },
    tidy() {
      const now = clock.now();
      state.commands.forget(now);
      state.outbox.tidy();
      for (const entry of existsSync(runs) ? readdirSync(runs) : []) {
        const found = journal.find(entry.replace(/^run-/, ""));
        // What a damaged database, moved aside, knew.
        if (found === undefined) rmSync(`${runs}/${entry}`, { recursive: true });
        if (found?.state === "Done") removeAttempts(`${runs}/${entry}`);
      }
      for (const { uid } of journal.endedBefore(now).slice(MAX_KEPT_LOGS)) {
        rmSync(folderOf(uid), { recursive: true, force: true });
      }
      for (const { uid, kind } of journal.endedBefore(now - COMMAND_MEMORY_MS)) {
        if (state.outbox.holds(uid)) continue;
        rmSync(folderOf(uid), { recursive: true, force: true });
        // A restore stays for ever, and with it the answer to a command that is replayed.
        if (kind !== "restore") journal.forget(uid);
      }
    },
    async stop() {
      release.abort(new Error("the agent ends"));
      await Promise.all([...jobs.values()].map(({ done }) => done));
    },
    readLog({ kind, uid }, offset) {
      const found = journal.find(uid);
      // Of the same kind: who may read the logs of backups need not see those of restores.
      if (found?.kind !== kind) {
        return { missing: `this host knows no ${kind} ${uid}: it has not arrived yet, or ended over a week ago` };
      }
      const closed = found.state === "Done";
      const chunk = readLogChunk(`${folderOf(uid)}/log`, offset, closed);
      if (chunk !== undefined) return chunk;
      if (!closed) return { offset: 0, next: 0, text: "", size: 0, ended: false };
      const kept = `a host keeps the logs of the newest ${MAX_KEPT_LOGS} runs, for a week`;
      return { missing: `there is no log of it: it never began, its disk was full, or it is too old (${kept})` };
    },
  };
}

/** An agent that is killed between the end of a run and its cleaning up leaves them. */
function removeAttempts(folder: string): void {
  for (const entry of readdirSync(folder)) {
    if (entry.startsWith("attempt-")) rmSync(`${folder}/${entry}`, { recursive: true, force: true });
  }
}
