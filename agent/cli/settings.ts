import { isPin } from "../link/pin.ts";
import { DEFAULT_RULES, REPOSITORY_SCHEMES, type RepositoryScheme, RULE_SETTINGS } from "../rules.ts";

export type Command = "enroll" | "run" | "health-check" | "version" | "dump-state";

/** A value that was read, or what is wrong with it: a sentence's end, after the name of the setting. */
export type Parsed<T> = { value: T } | { problem: string };

/** One setting: a flag and an environment variable of the same meaning; the flag wins. */
export interface Setting<T> {
  flag: string;
  variable?: string;
  /** Placeholder in the help; absent for a switch. */
  placeholder?: string;
  /** Lists: the flag may be repeated, the variable is comma-separated. */
  list?: true;
  commands: readonly Command[];
  help: string;
  /** As text, the way a user would write it; absent: the setting may be left out. */
  byDefault?: string;
  parse(texts: string[]): Parsed<T>;
}

const one =
  <T>(parse: (text: string) => Parsed<T>) =>
  (texts: string[]): Parsed<T> =>
    parse(texts.at(-1) ?? "");

function absolute(text: string): Parsed<string> {
  if (!text.startsWith("/") || text.includes("\0"))
    return { problem: `is ${JSON.stringify(text)}; write an absolute path` };
  return { value: text.replace(/\/+$/, "") || "/" };
}

function absolutes(texts: string[]): Parsed<string[]> {
  const read = texts.map(absolute);
  const wrong = read.find((path) => "problem" in path);
  if (wrong) return wrong as { problem: string };
  return { value: read.map((path) => (path as { value: string }).value) };
}

function schemes(texts: string[]): Parsed<RepositoryScheme[]> {
  const unknown = texts.find((text) => !REPOSITORY_SCHEMES.some((scheme) => scheme === text));
  if (unknown !== undefined)
    return { problem: `is ${JSON.stringify(unknown)}; choose of ${REPOSITORY_SCHEMES.join(", ")}` };
  return { value: texts as RepositoryScheme[] };
}

function choice<T extends string>(...allowed: T[]): (texts: string[]) => Parsed<T> {
  return one((text) => {
    const found = allowed.find((value) => value === text);
    return found === undefined
      ? { problem: `is ${JSON.stringify(text)}; choose of ${allowed.join(", ")}` }
      : { value: found };
  });
}

const UNITS: { readonly [unit: string]: number } = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

function duration(text: string): Parsed<number> {
  const match = /^(\d{1,9})(ms|s|m|h)$/.exec(text);
  if (!match) return { problem: `is ${JSON.stringify(text)}; write a whole number and ms, s, m or h, such as 90s` };
  return { value: Number(match[1]) * UNITS[match[2]!]! };
}

function serverURL(text: string): Parsed<URL> {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== "https:" || url.username !== "" || url.search !== "" || url.hash !== "") {
    // What is no address, or has a user in it, may hold a password.
    const shown = /^[\w.:/-]*$/.test(text) ? `is ${JSON.stringify(text)}` : "is no such address";
    return { problem: `${shown}; write the operator's address, such as https://holdfast.example.com:8443` };
  }
  return { value: url };
}

function pin(text: string): Parsed<string | undefined> {
  if (text === "none") return { value: undefined };
  if (isPin(text)) return { value: text };
  return {
    problem: "is no pin; it reads sha256/ and 44 characters of base64 (key pin of the token's Secret), or none",
  };
}

function tokenFile(text: string): Parsed<string | undefined> {
  if (text.startsWith("hft_")) {
    const cure = "write it to a file with mode 0600, or give it on standard input";
    return { problem: `is the token itself, which others could read here: make a new one, and ${cure}` };
  }
  return { value: text === "-" ? undefined : text };
}

function hostname(text: string): Parsed<string> {
  if (/^[A-Za-z0-9._-]{1,255}$/.test(text)) return { value: text };
  return { problem: `is ${JSON.stringify(text)}; write 1 to 255 letters, digits, dots and dashes` };
}

const SWITCH = () => ({ value: true }) as const;
const rule = <K extends keyof typeof RULE_SETTINGS>(key: K) => ({
  flag: RULE_SETTINGS[key].flag.replace(/^--/, ""),
  variable: RULE_SETTINGS[key].variable,
  list: true as const,
  commands: ["run"] as const,
  byDefault: DEFAULT_RULES[key].join(","),
});

/** Only infers what is parsed, and keeps whether there is a default. */
function setting<T>(of: Setting<T> & { byDefault: string }): Setting<T> & { byDefault: string };
function setting<T>(of: Setting<T>): Setting<T>;
function setting<T>(of: Setting<T>): Setting<T> {
  return of;
}

/** Every setting there is, with its default: help, flags, variables and validation all come from this table. */
export const SETTINGS = {
  server: setting({
    flag: "server",
    variable: "HOLDFAST_SERVER",
    placeholder: "URL",
    commands: ["enroll"],
    help: "Address of the operator (key server of the token's Secret).",
    parse: one(serverURL),
  }),
  pin: setting({
    flag: "pin",
    variable: "HOLDFAST_PIN",
    placeholder: "PIN",
    commands: ["enroll"],
    help: "Public key that must be in the server's certificate chain: sha256/<base64> (key pin of the token's Secret). `none` trusts the system's authorities instead.",
    parse: one(pin),
  }),
  tokenFile: setting({
    flag: "token-file",
    variable: "HOLDFAST_TOKEN_FILE",
    placeholder: "FILE",
    commands: ["enroll"],
    help: "File with the token, readable by its owner only. `-` is standard input. A token is never an argument or a variable: both can be read by others.",
    byDefault: "-",
    parse: one(tokenFile),
  }),
  again: setting({
    flag: "again",
    commands: ["enroll"],
    help: "Enrol although this machine is enrolled already; needs a token that is pinned to its Host and says reenroll.",
    parse: SWITCH,
  }),
  hostname: setting({
    flag: "hostname",
    variable: "HOLDFAST_HOSTNAME",
    placeholder: "NAME",
    commands: ["enroll", "run"],
    help: "Name to use instead of the machine's own.",
    parse: one(hostname),
  }),
  stateDir: setting({
    flag: "state-dir",
    variable: "HOLDFAST_STATE_DIR",
    placeholder: "DIR",
    commands: ["enroll", "run", "health-check", "dump-state"],
    help: "Identity, configuration, results that are not delivered yet. Never backed up.",
    byDefault: "/var/lib/holdfast",
    parse: one(absolute),
  }),
  cacheDir: setting({
    flag: "cache-dir",
    variable: "HOLDFAST_CACHE_DIR",
    placeholder: "DIR",
    commands: ["run"],
    help: "restic's cache. May be lost.",
    byDefault: "/var/cache/holdfast",
    parse: one(absolute),
  }),
  hostRoot: setting({
    flag: "host-root",
    variable: "HOLDFAST_HOST_ROOT",
    placeholder: "DIR",
    commands: ["run"],
    help: "Where the machine's root folder is mounted, when the agent runs in a container. Paths of policies are paths below it.",
    parse: one(absolute),
  }),
  restic: setting({
    flag: "restic",
    variable: "HOLDFAST_RESTIC",
    placeholder: "PATH",
    commands: ["run"],
    help: "The restic program: a path, or a name to look up in PATH.",
    byDefault: "restic",
    parse: one((text) =>
      text === "" ? { problem: "is empty; write a path, or a name to look up in PATH" } : { value: text },
    ),
  }),
  backupRoots: setting({
    ...rule("backupRoots"),
    placeholder: "DIR",
    help: "Only what lies below may be backed up.",
    parse: absolutes,
  }),
  restoreRoots: setting({
    ...rule("restoreRoots"),
    placeholder: "DIR",
    help: "Only below may a Restore write.",
    parse: absolutes,
  }),
  repositorySchemes: setting({
    ...rule("repositorySchemes"),
    placeholder: "KIND",
    help: `Kinds of repository this machine may use, of ${REPOSITORY_SCHEMES.join(", ")}.`,
    parse: schemes,
  }),
  secretFileRoots: setting({
    ...rule("secretFileRoots"),
    placeholder: "DIR",
    help: "Only below may a Repository point for its password (file:/path).",
    parse: absolutes,
  }),
  installedAs: setting({
    flag: "installed-as",
    variable: "HOLDFAST_INSTALLED_AS",
    placeholder: "KIND",
    commands: ["run"],
    help: "How the agent is run, shown in the Host's status: Process, Service or DaemonSet.",
    byDefault: "Process",
    parse: choice("Process", "Service", "DaemonSet"),
  }),
  logLevel: setting({
    flag: "log-level",
    variable: "HOLDFAST_LOG_LEVEL",
    placeholder: "LEVEL",
    commands: ["enroll", "run"],
    help: "debug, info, warn or error.",
    byDefault: "info",
    parse: choice("debug", "info", "warn", "error"),
  }),
  reconnectFirst: setting({
    flag: "reconnect-first",
    variable: "HOLDFAST_RECONNECT_FIRST",
    placeholder: "TIME",
    commands: ["run"],
    help: "The first try after a start or a lost connection comes at random within this; each failure doubles it.",
    byDefault: "10s",
    parse: one(duration),
  }),
  reconnectCap: setting({
    flag: "reconnect-cap",
    variable: "HOLDFAST_RECONNECT_CAP",
    placeholder: "TIME",
    commands: ["run"],
    help: "The delay between tries doubles up to this.",
    byDefault: "120s",
    parse: one(duration),
  }),
  reconnectRefused: setting({
    flag: "reconnect-refused",
    variable: "HOLDFAST_RECONNECT_REFUSED",
    placeholder: "TIME",
    commands: ["run"],
    help: "The delay after the operator has refused this machine's credential.",
    byDefault: "10m",
    parse: one(duration),
  }),
  connected: setting({
    flag: "connected",
    commands: ["health-check"],
    help: "Fail as well while the agent runs without a connection to the operator.",
    parse: SWITCH,
  }),
  json: setting({ flag: "json", commands: ["version"], help: "As one JSON object.", parse: SWITCH }),
  allowSecrets: setting({
    flag: "allow-secrets",
    commands: ["dump-state"],
    help: "Also show credentials and passwords. Do not send the result to anybody.",
    parse: SWITCH,
  }),
} as const;

export type Settings = typeof SETTINGS;
