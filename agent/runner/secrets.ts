import { readFileSync } from "node:fs";
import { HoldfastError } from "#base/errors.ts";
import type { RepositoryAccess } from "#protocol/config.ts";
import { checkRepository, checkSecretPointer, type HostRules, isSecretVariable } from "../rules.ts";

/** A repository with its key read, checked against the host's rules. Holds secrets. */
export interface OpenAccess extends Omit<RepositoryAccess, "password"> {
  password: string;
}

/** Throws what the host's rules refuse, and a missing or empty key with where it should be. */
export function openAccess(access: RepositoryAccess, rules: HostRules, environment: NodeJS.ProcessEnv): OpenAccess {
  checkRepository(rules, access.url, Object.keys(access.env));
  for (const [name, value] of Object.entries(access.env)) {
    // Node would refuse it too, with the value in its message.
    if (value.includes("\0")) {
      throw new HoldfastError("agent/bad-value", `${name} holds a NUL byte: correct it in the Secret named in envFrom`);
    }
  }
  return { ...access, password: "value" in access.password ? access.password.value : hostSecret(access.password.host) };

  function hostSecret(pointer: string): string {
    const place = checkSecretPointer(rules, pointer);
    const password = "file" in place ? fileSecret(place.file) : environment[place.variable];
    if (password !== undefined && password.trim() !== "") return password;
    throw new HoldfastError(
      "agent/secret-missing",
      "file" in place
        ? `the repository's password is to be in ${place.file} on this host, but there is none: write it there (mode 0600)`
        : `the repository's password is to be in the agent's variable ${place.variable}, which is not set: set it where the agent is started`,
    );
  }
}

function fileSecret(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

/** Everything of `access` that must not be shown. */
export function secretsOf(access: OpenAccess): string[] {
  const secret = Object.entries(access.env).flatMap(([name, value]) => (isSecretVariable(name) ? [value] : []));
  return [access.password, ...secret];
}
