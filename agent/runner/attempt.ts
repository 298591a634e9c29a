import type { Clock } from "#base/clock.ts";
import type { ErrorCode } from "#base/error-codes.ts";
import { HoldfastError, messageOf } from "#base/errors.ts";
import type { Random } from "#base/random.ts";
import type { Reason } from "#protocol/outcome.ts";
import type { Progress } from "#protocol/record.ts";
import { line } from "#protocol/text.ts";
import type { Log } from "../log.ts";
import type { HostRules } from "../rules.ts";
import type { Journal, JournalStep } from "../state/journal.ts";
import { timeoutMessage, type Verdict } from "./classify.ts";
import type { Paths } from "./paths.ts";
import type { RunLog } from "./run-log.ts";
import type { SecretFolder } from "./secret-folder.ts";

/** What every run on this host shares. */
export interface Machine {
  clock: Clock;
  random: Random;
  log: Log;
  journal: Journal;
  /** The state's. */
  transaction<T>(work: () => T): T;
  rules: HostRules;
  paths: Paths;
  secrets: SecretFolder;
  resticPath: string;
  cacheDir: string;
  /** Host paths of the agent itself (state, cache, secrets), never backed up. */
  ownFolders: readonly string[];
  /** The kernel's. */
  bootID: string;
  /** Where `env:NAME` passwords are read. */
  environment: NodeJS.ProcessEnv;
}

/** What is said of a run while it is under way. `reason` is `Running`, or why it does not get on. */
export interface Live {
  reason: "Running" | Reason;
  message: string;
  progress?: Progress;
}

export type StopReason = "Cancelled" | "Timeout" | "RepositoryMismatch";

/** One try at a run, restore or task. */
export interface Attempt {
  readonly uid: string;
  readonly attempt: number;
  /** Where the steps' output lies. */
  readonly folder: string;
  readonly log: RunLog;
  /** Steps that a former process began. */
  readonly steps: readonly JournalStep[];
  /** The whole run's, as an Ending has it. */
  readonly timeout: string;
  /** Until the whole run's timeout. */
  remainingMs(): number;
  /** Aborts when the agent ends: everything is left as it is, for the next process to adopt. */
  readonly release: AbortSignal;
  /** Aborts when the run is to end; the reason is a StopReason. */
  readonly stop: AbortSignal;
  requestStop(reason: StopReason): void;
  report(live: Live): void;
}

export function stopReason(attempt: Attempt): StopReason | undefined {
  return attempt.stop.aborted ? attempt.stop.reason : undefined;
}

/** The verdict over an attempt that was stopped while no restic ran; undefined where nobody asked for it. */
export function stoppedVerdict(attempt: Attempt): Verdict | undefined {
  switch (stopReason(attempt)) {
    case "Cancelled":
      return { phase: "Cancelled", reason: "Cancelled", message: "cancelled as asked for" };
    case "Timeout":
      return { phase: "Failed", reason: "Timeout", message: timeoutMessage(attempt.timeout) };
    default:
      return undefined;
  }
}

const REASONS: Readonly<Partial<Record<ErrorCode, Reason>>> = {
  "agent/refused-by-host": "HostRefused",
  "agent/bad-path": "HostRefused",
  "agent/bad-tag": "HostRefused",
  "agent/bad-value": "HostRefused",
  "agent/secret-missing": "SecretMissing",
  "agent/target-invalid": "TargetInvalid",
  "agent/snapshot-not-found": "SnapshotNotFound",
};

/** The verdict over an attempt that threw: an expected refusal by its code, anything else is a fault of the agent. */
export function verdictOf(error: unknown): Verdict {
  const reason = (error instanceof HoldfastError ? REASONS[error.code] : undefined) ?? "AgentError";
  return { phase: "Failed", reason, message: line(messageOf(error)) };
}
