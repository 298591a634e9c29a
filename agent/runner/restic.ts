import type { Clock } from "#base/clock.ts";
import { line } from "#protocol/text.ts";
import { catLockArgv, listLocksArgv, resticEnvironment } from "./argv.ts";
import { type Answer, askRestic } from "./ask.ts";
import { type Attempt, type Live, type Machine, stopReason } from "./attempt.ts";
import { classify, unreachableMessage, type Verdict } from "./classify.ts";
import { nothingSeen, type Observation, observe } from "./observe.ts";
import { addressOf, probe } from "./probe.ts";
import { redactor } from "./redact.ts";
import { repositoryCache } from "./repository-cache.ts";
import { type OpenAccess, secretsOf } from "./secrets.ts";
import { startDetached } from "./shim.ts";
import { supervise } from "./supervise.ts";

/** restic on one repository, for one attempt. */
export interface Restic {
  /** Fit to leave the runner: secrets replaced, paths as the host knows them. */
  show(text: string): string;
  /** Undefined where a server accepts connections, or where nothing can be said of it. */
  unreachable(): Promise<Verdict | undefined>;
  /** A short question that takes no lock. */
  ask(argv: readonly string[]): Promise<Answer>;
  /**
   * A restic that outlives the agent: started, or adopted where a step of this name was begun before. `code` is undefined
   * where it is gone without a recorded exit.
   */
  step(name: string, argv: () => readonly string[]): Promise<StepEnd>;
  /**
   * Ids of the repositories that this attempt's restics have opened, as far as restic's cache tells: empty where it does
   * not, or where none is opened yet.
   */
  opened(): string[];
  verdict(end: { code: number; seen: Observation }, repositoryKnown: boolean): Verdict;
}

export interface StepEnd {
  code: number | undefined;
  seen: Observation;
}

const ASK_TIMEOUT_MS = 60_000;
/** When a restic that shows no progress is asked about locks: it waits for them without a word (facts: A3). */
const LOCK_CHECK_MS = 30_000;

/** `access` is undefined for a restore that was adopted: its access was in the former process's memory only. */
export function openRestic(machine: Machine, attempt: Attempt, access: OpenAccess | undefined): Restic {
  const { clock, journal, paths } = machine;
  const { uid, release } = attempt;
  const redact = redactor([...machine.secrets.known(uid), ...(access === undefined ? [] : secretsOf(access))]);
  const show = (text: string) => paths.textToHost(redact(text));

  const cache = repositoryCache(machine.cacheDir, access?.repositoryID, `${attempt.folder}/began`);
  let environment: Record<string, string> | undefined;
  function env(): Record<string, string> {
    if (access === undefined) throw new Error("there is no access to the repository any more");
    if (environment === undefined) {
      cache.mark();
      environment = resticEnvironment({
        url: access.url,
        env: access.env,
        ...machine.secrets.write(uid, access),
        cache: cache.folder,
        temporary: `${machine.cacheDir}/tmp`,
      });
    }
    return environment;
  }

  async function ask(argv: readonly string[]): Promise<Answer> {
    const { resticPath } = machine;
    const answer = await askRestic({ resticPath, argv, env: env(), timeoutMs: ASK_TIMEOUT_MS, clock, release, show });
    // Killed because the agent ends: no answer then says anything of the repository.
    release.throwIfAborted();
    return answer;
  }

  /** Who holds the repository's exclusive lock, in words; undefined where nobody does or it cannot be found out. */
  async function lockHolder(): Promise<string | undefined> {
    const list = await ask(listLocksArgv);
    for (const id of list.stdout
      .split("\n")
      .filter((text) => /^[0-9a-f]{64}$/.test(text))
      .slice(0, 20)) {
      const { stdout } = await ask(catLockArgv(id));
      const lock = /"exclusive":\s*true/.test(stdout) ? JSON.parse(stdout) : undefined;
      if (lock !== undefined)
        return line(show(`${lock.username}@${lock.hostname}, process ${lock.pid}, since ${lock.time}`), 600);
    }
    return undefined;
  }

  async function step(name: string, argv: () => readonly string[]): Promise<StepEnd> {
    const seen = nothingSeen();
    const known = attempt.steps.find((candidate) => candidate.step === name);
    const folder = known?.folder ?? `${attempt.folder}/${name}`;
    let process = known?.process;
    let ended: Promise<void> | undefined;
    release.throwIfAborted();
    if (known === undefined) {
      if (attempt.stop.aborted) throw new Error("stopped before restic began");
      attempt.log.beginStep(`${attempt.attempt}/${name}`, clock.now());
      ({ exited: ended } = startDetached({
        argv: [machine.resticPath, ...argv()],
        env: env(),
        folder,
        bootID: machine.bootID,
        journal(started) {
          process = started;
          journal.beginStep(uid, { attempt: attempt.attempt, step: name, folder, process: started }, clock.now());
        },
      }));
    } else {
      attempt.log.resume(`${attempt.attempt}/${name}`);
    }
    let locked: string | undefined;
    let over = false;
    const supervision = supervise({
      folder,
      process: process!,
      bootID: machine.bootID,
      clock,
      release,
      ...(ended === undefined ? {} : { ended }),
      onLine(output, text) {
        const before = { retrying: seen.retrying, progress: seen.progress };
        const logged = observe(seen, output, text, clock.now(), show);
        if (logged !== undefined) attempt.log.add(output, paths.textToHost(logged), clock.now());
        if (seen.progress !== undefined) locked = undefined;
        if (seen.retrying !== before.retrying || seen.progress !== before.progress) attempt.report(live(seen, locked));
      },
    });
    const stop = () => supervision.stop();
    attempt.stop.addEventListener("abort", stop, { once: true });
    if (attempt.stop.aborted) stop();
    const cancelLockCheck = repeat(clock, LOCK_CHECK_MS, async () => {
      if (seen.progress !== undefined || seen.retrying !== undefined || access === undefined) return;
      const holder = await lockHolder();
      // restic may have ended meanwhile: what is said after its end would take the place of its result.
      if (over || seen.progress !== undefined || holder === locked) return;
      locked = holder;
      attempt.report(live(seen, locked));
    });
    try {
      const { code } = await supervision.exit;
      return { code, seen };
    } finally {
      over = true;
      cancelLockCheck();
      attempt.stop.removeEventListener("abort", stop);
    }
  }

  return {
    show,
    async unreachable() {
      const proxied = Object.keys(access?.env ?? {}).some((variable) => /^https?_proxy$/i.test(variable));
      const address = access === undefined || proxied ? undefined : addressOf(access.url);
      const problem = address === undefined ? undefined : await probe(address);
      if (problem === undefined) return undefined;
      return { phase: "Failed", reason: "RepositoryUnreachable", message: unreachableMessage(problem) };
    },
    ask,
    step,
    opened: cache.opened,
    verdict({ code, seen }, repositoryKnown) {
      const stopped = stopReason(attempt);
      return classify({
        exitCode: code,
        errors: seen.errors,
        ...(seen.retrying === undefined ? {} : { retrying: seen.retrying.message }),
        ...(stopped === undefined ? {} : { stopped }),
        timeout: attempt.timeout,
        failedFiles: seen.failedFiles,
        repositoryKnown,
      });
    },
  };
}

/** What to say of a restic that runs. */
function live(seen: Observation, locked: string | undefined): Live {
  const progress = seen.progress === undefined ? {} : { progress: seen.progress };
  if (seen.retrying !== undefined) {
    const { since, message } = seen.retrying;
    const text = `since ${new Date(since).toISOString()} ${unreachableMessage(message)}; restic tries again`;
    return { reason: "RepositoryUnreachable", message: text, ...progress };
  }
  if (locked !== undefined) {
    return { reason: "RepositoryLocked", message: `waiting for the repository's lock, held by ${locked}`, ...progress };
  }
  return { reason: "Running", message: "", ...progress };
}

export function repeat(clock: Clock, everyMs: number, work: () => Promise<void>): () => void {
  let cancel = () => {};
  let cancelled = false;
  const arm = () => {
    if (cancelled) return;
    cancel = clock.after(
      everyMs,
      () =>
        void work()
          .catch(() => {})
          .then(arm),
    );
  };
  arm();
  return () => {
    cancelled = true;
    cancel();
  };
}
