import { resolve } from "node:path";
import { HoldfastError } from "#base/errors.ts";

/** Kinds of repository, by the prefix of restic's notation; `local` is a path. */
export const REPOSITORY_SCHEMES = ["rest", "s3", "azure", "gs", "b2", "swift", "local", "sftp", "rclone"] as const;
export type RepositoryScheme = (typeof REPOSITORY_SCHEMES)[number];

/**
 * What this host allows, set where the agent is installed and never changeable from the cluster: whoever may write a
 * BackupPolicy or Restore is root on the host within these bounds. Paths are absolute host paths.
 */
export interface HostRules {
  backupRoots: readonly string[];
  restoreRoots: readonly string[];
  repositorySchemes: readonly RepositoryScheme[];
  /** Folders whose files a Repository may name as its password (`file:/path`). */
  secretFileRoots: readonly string[];
}

export const DEFAULT_RULES: HostRules = {
  backupRoots: ["/"],
  restoreRoots: ["/var/lib/holdfast/restore"],
  repositorySchemes: ["rest", "s3", "azure", "gs", "b2", "swift"],
  secretFileRoots: ["/etc/holdfast/secrets.d"],
};

/** The flag and the variable (comma-separated) that set each rule; a refusal names them. */
export const RULE_SETTINGS: { readonly [Rule in keyof HostRules]: { flag: string; variable: string } } = {
  backupRoots: { flag: "--backup-root", variable: "HOLDFAST_BACKUP_ROOTS" },
  restoreRoots: { flag: "--restore-root", variable: "HOLDFAST_RESTORE_ROOTS" },
  repositorySchemes: { flag: "--repository-scheme", variable: "HOLDFAST_REPOSITORY_SCHEMES" },
  secretFileRoots: { flag: "--secret-file-root", variable: "HOLDFAST_SECRET_FILE_ROOTS" },
};

type Variables = { readonly [name: string]: "shown" | "secret" };

const PROXY: Variables = { HTTP_PROXY: "secret", HTTPS_PROXY: "secret", NO_PROXY: "secret" };
/**
 * The environment that a Repository may set for restic, by scheme: names only, because a free choice runs commands as
 * root (RCLONE_SFTP_SSH, AWS_PROFILE with a credential process, PATH, LD_PRELOAD). "shown" are those that are no secrets:
 * to mask a user's name would mask the same word in every path and url.
 */
const ENVIRONMENT: { readonly [Scheme in RepositoryScheme]: Variables } = {
  rest: { RESTIC_REST_USERNAME: "shown", RESTIC_REST_PASSWORD: "secret", ...PROXY },
  s3: {
    AWS_ACCESS_KEY_ID: "secret",
    AWS_SECRET_ACCESS_KEY: "secret",
    AWS_SESSION_TOKEN: "secret",
    AWS_DEFAULT_REGION: "shown",
    AWS_REGION: "shown",
    RESTIC_AWS_ASSUME_ROLE_ARN: "shown",
    RESTIC_AWS_ASSUME_ROLE_SESSION_NAME: "shown",
    RESTIC_AWS_ASSUME_ROLE_EXTERNAL_ID: "secret",
    RESTIC_AWS_ASSUME_ROLE_REGION: "shown",
    ...PROXY,
  },
  azure: {
    AZURE_ACCOUNT_NAME: "shown",
    AZURE_ACCOUNT_KEY: "secret",
    AZURE_ACCOUNT_SAS: "secret",
    AZURE_ENDPOINT_SUFFIX: "shown",
    ...PROXY,
  },
  gs: { GOOGLE_PROJECT_ID: "shown", GOOGLE_ACCESS_TOKEN: "secret", ...PROXY },
  b2: { B2_ACCOUNT_ID: "shown", B2_ACCOUNT_KEY: "secret", ...PROXY },
  swift: {
    ST_AUTH: "secret",
    ST_USER: "shown",
    ST_KEY: "secret",
    OS_AUTH_URL: "secret",
    OS_REGION_NAME: "shown",
    OS_USERNAME: "shown",
    OS_USER_ID: "shown",
    OS_PASSWORD: "secret",
    OS_TENANT_ID: "shown",
    OS_TENANT_NAME: "shown",
    OS_USER_DOMAIN_NAME: "shown",
    OS_USER_DOMAIN_ID: "shown",
    OS_PROJECT_NAME: "shown",
    OS_PROJECT_DOMAIN_NAME: "shown",
    OS_PROJECT_DOMAIN_ID: "shown",
    OS_TRUST_ID: "secret",
    OS_APPLICATION_CREDENTIAL_ID: "secret",
    OS_APPLICATION_CREDENTIAL_NAME: "shown",
    OS_APPLICATION_CREDENTIAL_SECRET: "secret",
    OS_STORAGE_URL: "secret",
    OS_AUTH_TOKEN: "secret",
    ...PROXY,
  },
  local: {},
  sftp: {},
  rclone: {},
};

/** Whether the value of a Repository's variable must not be shown; one that is not known may be anything. */
export function isSecretVariable(name: string): boolean {
  return !Object.values(ENVIRONMENT).some((variables) => variables[name] === "shown");
}

/** Variables a `env:NAME` password may name. */
const SECRET_VARIABLE = /^(RESTIC_PASSWORD|HOLDFAST_SECRET_[A-Z0-9_]+)$/;

function refused(what: string, rule: keyof HostRules, allowed: readonly string[]): HoldfastError {
  const { flag, variable } = RULE_SETTINGS[rule];
  return new HoldfastError(
    "agent/refused-by-host",
    `${what} is not allowed on this host, which allows ${allowed.join(", ") || "none"}: ` +
      `choose among these, or have the host's administrator allow more with ${flag} (${variable})`,
  );
}

/** Whether the absolute, normalised `path` is `root` or lies below it. */
export function isWithin(path: string, root: string): boolean {
  return path === root || root === "/" || path.startsWith(`${root}/`);
}

/** Absolute without `.`, `..`, doubled or trailing slashes; a path with `..` in it is never what it looks like. */
export function normalPath(path: string): string {
  if (!path.startsWith("/") || path.includes("\0") || path.split("/").includes("..")) {
    throw new HoldfastError(
      "agent/bad-path",
      `${JSON.stringify(path)} is no absolute path without "..": write it in full`,
    );
  }
  return resolve(path);
}

/** How restic reads `url`: an unknown prefix makes it a local path. */
export function schemeOf(url: string): RepositoryScheme {
  return REPOSITORY_SCHEMES.find((scheme) => url.startsWith(`${scheme}:`)) ?? "local";
}

/** Throws unless the host may back up `path`; `own` are the agent's own folders (state, cache), never backed up. */
export function checkBackupPath(rules: HostRules, path: string, own: readonly string[]): void {
  const normal = normalPath(path);
  const mine = own.find((folder) => isWithin(normal, folder));
  if (mine !== undefined) {
    throw new HoldfastError(
      "agent/refused-by-host",
      `path ${normal} holds the agent's own state, which is never backed up: take it out of the policy's paths`,
    );
  }
  if (!rules.backupRoots.some((root) => isWithin(normal, normalPath(root)))) {
    throw refused(`backup of ${normal}`, "backupRoots", rules.backupRoots);
  }
}

/** Throws unless the host may write restored files to `path`; symlinks are the caller's concern. */
export function checkRestorePath(rules: HostRules, path: string): void {
  const normal = normalPath(path);
  if (!rules.restoreRoots.some((root) => isWithin(normal, normalPath(root)))) {
    throw refused(`restore into ${normal}`, "restoreRoots", rules.restoreRoots);
  }
}

/** Throws unless the host may use a repository at `url` with these variables. Values are never looked at. */
export function checkRepository(rules: HostRules, url: string, variables: readonly string[]): void {
  const scheme = schemeOf(url);
  if (!rules.repositorySchemes.includes(scheme)) {
    throw refused(`a repository of kind ${scheme}`, "repositorySchemes", rules.repositorySchemes);
  }
  if (/^[a-z0-9]+:https?:\/\/[^/]*@|^(rest|s3|sftp):([a-z0-9]*:?\/\/)?[^/@]*:[^/]*@/i.test(url)) {
    throw new HoldfastError(
      "agent/refused-by-host",
      "the repository's url holds a user or password: take them out of url and put them into the Secret named in envFrom",
    );
  }
  // rclone would take options in it, too, such as ssh="any command", or a password.
  if (scheme === "rclone" && !/^rclone:[^:,]+:/.test(url)) {
    throw new HoldfastError(
      "agent/refused-by-host",
      "the repository's url may only name an rclone remote that this host's rclone.conf holds, as in rclone:remote:path: " +
        "put its options there",
    );
  }
  const free = variables.filter((name) => !Object.hasOwn(ENVIRONMENT[scheme], name));
  if (free.length > 0) {
    throw new HoldfastError(
      "agent/refused-by-host",
      `a repository of kind ${scheme} may not set ${free.slice(0, 5).join(", ")}: remove ${free.length === 1 ? "it" : "them"} from the Secret named in ` +
        `envFrom; allowed are ${Object.keys(ENVIRONMENT[scheme]).join(", ") || "none"}`,
    );
  }
}

/** The file or variable that `pointer` (`file:/path`, `env:NAME`) names, or throws unless the host may read it. */
export function checkSecretPointer(rules: HostRules, pointer: string): { file: string } | { variable: string } {
  if (pointer.startsWith("file:")) {
    const file = normalPath(pointer.slice("file:".length));
    if (!rules.secretFileRoots.some((root) => isWithin(file, normalPath(root)))) {
      throw refused(`reading a password from ${file}`, "secretFileRoots", rules.secretFileRoots);
    }
    return { file };
  }
  const variable = pointer.slice("env:".length);
  if (!pointer.startsWith("env:") || !SECRET_VARIABLE.test(variable)) {
    throw new HoldfastError(
      "agent/refused-by-host",
      `a password may not be read from ${pointer}: only env:RESTIC_PASSWORD, env:HOLDFAST_SECRET_* and file: are possible`,
    );
  }
  return { variable };
}
