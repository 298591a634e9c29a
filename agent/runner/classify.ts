import type { Reason, TerminalPhase } from "#protocol/outcome.ts";
import { line } from "#protocol/text.ts";

/** How one attempt ended, in the words of the API. */
export interface Verdict {
  phase: Exclude<TerminalPhase, "Skipped">;
  reason: Reason;
  message: string;
}

/** What is known when restic has ended. */
export interface Ending {
  exitCode: number;
  /** Text of stderr that says why, the latest last. */
  errors: readonly string[];
  /** Set while restic was trying again because the repository did not answer. */
  retrying?: string;
  /** We asked it to stop, and why. */
  stopped?: "Cancelled" | "Timeout" | "RepositoryMismatch";
  /** Of the whole run, and who sets it: "24h (timeout of BackupPolicy www)". */
  timeout: string;
  /** Files that could not be read or written. */
  failedFiles: { count: number; first: readonly string[] };
  /** Whether the repository's id is known: then it has existed. */
  repositoryKnown: boolean;
}

/** restic's exit codes (0.19, facts: A1); any other is a failure. */
const EXIT = { ok: 0, fatal: 1, panic: 2, partial: 3, noRepository: 10, locked: 11, wrongPassword: 12, cancelled: 130 };
/** The shell's: not executable, not found; 128 + n is death by signal n. */
const SHELL = { notExecutable: 126, notFound: 127, signal: 128 };

/** Signs in restic's text that nothing, or nothing that can be trusted, answers. */
const UNREACHABLE =
  /(\b(x509:|tls:|certificate)|connection refused|no such host|i\/o timeout|network is unreachable|no route to host|connection reset|TLS handshake timeout|context deadline exceeded|server misbehaving|unexpected EOF|50[0234] (Internal|Bad|Service|Gateway))/i;

/** Causes in the text of a fatal error, the first that matches counts. */
const CAUSES: readonly [RegExp, Reason, string][] = [
  [
    /\b(401 Unauthorized|403 Forbidden|server response unexpected: 40[13]|HTTP response.{0,20}\(40[13]\)|40[13] (Unauthorized|Forbidden)|Access ?Denied|InvalidAccessKeyId|SignatureDoesNotMatch|AuthenticationFailed|AuthorizationFailure)\b/i,
    "RepositoryAccessDenied",
    "the repository's server refuses these credentials: correct the Secret named in envFrom, or the user's rights on the server",
  ],
  [
    /\b(507 Insufficient Storage|\(507\)|QuotaExceeded|quota exceeded)\b/i,
    "RepositoryFull",
    "the repository has no room left: enlarge it, or free space by retention and prune",
  ],
  [
    /repository already contains (keys|snapshots)/i,
    "RepositoryBroken",
    "keys exist there but the config is missing: two initialisations at once, or a lost config. Restore the file config from a copy, or delete what is at this address if it never held a backup, and create the Repository again",
  ],
  [
    /invalid pattern\(s\) provided/i,
    "HostRefused",
    "restic cannot read a pattern: correct it, for example by closing its bracket, or write \\[ for the character itself",
  ],
  [
    /(unable to create lock|already locked|locked exclusively)/i,
    "RepositoryLocked",
    "another restic holds the repository's lock",
  ],
];

/** What to say of a repository that cannot be talked to; `cause` is restic's or the system's own text. */
export function unreachableMessage(cause: string): string {
  const said = line(cause, 600);
  return /\b(x509:|tls:|certificate)/i.test(cause)
    ? `the repository's server is not trusted over TLS: set or correct tls.caFrom, or renew the server's certificate (${said})`
    : `the repository does not answer: check its server and the network between (${said})`;
}

/** `timeout` is that of an Ending. */
export function timeoutMessage(timeout: string): string {
  return `stopped after its timeout of ${timeout}: raise it, or look at what slows it down`;
}

/** The verdict over a restic that ended with `ending.exitCode`. */
export function classify(ending: Ending): Verdict {
  const { exitCode, stopped } = ending;
  const said = line(ending.errors.at(-1) ?? "", 600);
  const failed = (reason: Reason, message: string): Verdict => ({ phase: "Failed", reason, message: line(message) });
  const withText = (message: string) => (said === "" ? message : `${message} (restic: ${said})`);

  if (stopped === "RepositoryMismatch") return failed("RepositoryMismatch", "another repository is at this address");
  if (exitCode === EXIT.ok) {
    return { phase: "Succeeded", reason: "Completed", message: "" };
  }
  if (exitCode === EXIT.partial) {
    const { count, first } = ending.failedFiles;
    const files = count === 1 ? "1 file" : `${count} files`;
    const named = first[0] === undefined ? "" : `, first ${line(first[0], 300)}`;
    return {
      phase: "PartiallyFailed",
      reason: "UnreadFiles",
      message: `the snapshot was saved without ${files} that could not be read${named}: see unreadFiles and the log`,
    };
  }
  if (stopped === "Cancelled") return { phase: "Cancelled", reason: "Cancelled", message: "cancelled as asked for" };
  if (stopped === "Timeout") {
    const waiting = ending.retrying === undefined ? "" : `; ${unreachableMessage(ending.retrying)}`;
    return failed("Timeout", `${timeoutMessage(ending.timeout)}${waiting}`);
  }

  switch (exitCode) {
    case EXIT.noRepository:
      return ending.repositoryKnown
        ? failed(
            "RepositoryMissing",
            "there is no repository at this address any more, though its id is known: bring it back (a lost mount, a moved folder?); it is never initialised a second time",
          )
        : failed(
            "RepositoryNotInitialized",
            "there is no repository at this address: correct the url, or set initialize: true on the Repository",
          );
    case EXIT.locked:
      return failed("RepositoryLocked", withText("another restic held the repository's lock until the deadline"));
    case EXIT.wrongPassword:
      return failed(
        "WrongPassword",
        "the password opens no key of this repository: correct the Secret named in passwordFrom",
      );
    case SHELL.notFound:
    case SHELL.notExecutable:
      return failed(
        "ResticMissing",
        withText("restic cannot be run on this host: install restic 0.19 or name its path to the agent"),
      );
  }
  if (exitCode > SHELL.signal && exitCode !== EXIT.cancelled) {
    const signal = exitCode - SHELL.signal;
    const memory = signal === 9 ? ": the machine may be out of memory" : "";
    return failed("Interrupted", `restic was killed by signal ${signal}${memory}`);
  }
  const text = ending.errors.join("\n");
  const known = CAUSES.find(([pattern]) => pattern.test(text));
  if (known !== undefined) return failed(known[1], withText(known[2]));
  if (ending.retrying !== undefined || UNREACHABLE.test(text)) {
    return failed("RepositoryUnreachable", unreachableMessage(ending.retrying ?? ending.errors.at(-1) ?? ""));
  }
  const files = ending.failedFiles.count > 0 ? `${ending.failedFiles.count} files failed; ` : "";
  return failed(
    "ResticFailed",
    `${files}restic ended with exit code ${exitCode}${said === "" ? ", see the log" : `: ${said}`}`,
  );
}

/** Whether another try may end better, by itself and soon. */
export function mayPass(reason: Reason): boolean {
  return reason === "RepositoryUnreachable" || reason === "RepositoryLocked" || reason === "ResticFailed";
}

const FIRST_RETRY_MS = 10_000;
const LONGEST_RETRY_MS = 10 * 60_000;

/** The pause before `attempt` (2 for the first retry): doubling, within +-20 %; `random` is in [0, 1). */
export function retryDelayMs(attempt: number, random: number): number {
  return Math.min(FIRST_RETRY_MS * 2 ** (attempt - 2), LONGEST_RETRY_MS) * (0.8 + 0.4 * random);
}
