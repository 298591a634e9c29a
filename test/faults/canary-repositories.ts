import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { BackupRun } from "#crds/backuprun.ts";
import type { Restore } from "#crds/restore.ts";
import { condition, create, ended, ready } from "../stage.ts";
import type { CanaryWorld } from "./canary-world.ts";
import { startEchoServer } from "./echo-server.ts";

/** What programs escape, each in its way. */
const AWKWARD = `" \\'%+/&=?$(x)`;
/** Seconds; the agent opens one repository after the other. */
const PATIENCE = 120;
/** The variable of the machine's agent that a Repository may name as its password. */
const OWN_VARIABLE = "HOLDFAST_SECRET_OWN";

/** Settings of a machine whose administrator keeps passwords on it, out of the cluster. */
export function ownPasswords({ stage, canary }: CanaryWorld): Record<string, string> {
  const folder = join(stage().directory, "secrets.d");
  mkdirSync(folder);
  writeFileSync(join(folder, "own"), canary("a password in a file of the host"), { mode: 0o600 });
  return { HOLDFAST_SECRET_FILE_ROOTS: folder, [OWN_VARIABLE]: canary("a password in the agent's environment") };
}

/** Repositories that web-1 can open, in each way there is, a backup and a restore; and such that fail in each way there is. */
export async function openRepositories(world: CanaryWorld): Promise<void> {
  const { stage, canary } = world;
  const echo = await startEchoServer();
  const at = (name: string) => `${stage().repository.url}${name}/`;
  const from = (name: string, key: string) => ({ secretKeyRef: { name, key } });

  /** With Secrets of its own, and a policy so that web-1 opens it. */
  async function repository(
    name: string,
    spec: object,
    secrets: { password?: string; env?: Record<string, string> } = {},
  ) {
    const { password = canary(`password of ${name}`), env } = secrets;
    await stage().createSecret(`${name}-password`, { password });
    if (env !== undefined) await stage().createSecret(`${name}-env`, env);
    await create(stage(), "Repository", name, {
      url: at(name),
      passwordFrom: from(`${name}-password`, "password"),
      envFrom: [{ secretRef: { name: env === undefined ? "offsite-server" : `${name}-env` } }],
      tls: { caFrom: from("offsite-server", "ca.crt") },
      ...spec,
    });
    await create(stage(), "BackupPolicy", name, {
      hosts: { names: ["web-1"] },
      repository: { name },
      files: { paths: ["/srv/www"] },
    });
  }

  async function opens(name: string, ...given: [spec: object, secrets?: { password?: string }]): Promise<void> {
    await repository(name, { initialize: true, ...given[0] }, given[1]);
    await condition(stage(), `repository/${name}`, "Ready", ({ status }) => status === "True", PATIENCE);
  }

  async function fails(reason: string, name: string, ...given: [spec: object, secrets?: object]): Promise<void> {
    await repository(name, ...given);
    await condition(
      stage(),
      `repository/${name}`,
      "Ready",
      (found) => found.status === "False" && found.reason === reason,
      PATIENCE,
    );
  }

  async function works(): Promise<void> {
    await ready(stage(), "repository/offsite", "backuppolicy/www");
    await create(stage(), "BackupRun", "good", { policyRef: "www", hostRef: "web-1" });
    expect((await ended<BackupRun>(stage(), "backuprun", "good")).status?.phase).toBe("Succeeded");
    await create(stage(), "Restore", "good", {
      source: { repository: "offsite", policy: "www" },
      target: { hostRef: "web-1", path: "/var/lib/holdfast/restore/good" },
    });
    expect((await ended<Restore>(stage(), "restore", "good")).status?.phase).toBe("Succeeded");
    // The same repository under another address.
    await fails("WrongPassword", "wrong", { url: at("fleet").replace("127.0.0.1", "localhost") });
  }

  const rest = (name: string) => ({
    RESTIC_REST_USERNAME: "fleet",
    RESTIC_REST_PASSWORD: canary(`login of ${name}`, AWKWARD),
  });
  const aws = {
    AWS_ACCESS_KEY_ID: canary("an access key"),
    AWS_SECRET_ACCESS_KEY: canary("a secret key", AWKWARD),
  };
  const echoed = `http://127.0.0.1:${echo.port}/bucket/x/`;
  const nul = { ...rest("nul"), RESTIC_REST_PASSWORD: `${canary("a variable with NUL")}\u0000` };
  const foreign = { ...rest("foreign"), RCLONE_SFTP_SSH: canary("a variable that is not allowed") };
  const ownFile = { host: `file:${stage().directory}/secrets.d/own` };
  try {
    await Promise.all([
      works(),
      opens("awkward", {}, { password: canary("an awkward password", `${AWKWARD}ö`) }),
      opens("own-file", { passwordFrom: ownFile }),
      opens("own-variable", { passwordFrom: { host: `env:${OWN_VARIABLE}` } }),
      fails("RepositoryAccessDenied", "refused", {}, { env: rest("refused") }),
      fails("RepositoryAccessDenied", "echoed", { url: `rest:${echoed}`, tls: undefined }, { env: rest("echoed") }),
      fails("RepositoryAccessDenied", "echoed-s3", { url: `s3:${echoed}`, tls: undefined }, { env: aws }),
      fails("RepositoryUnreachable", "unreachable", { url: "rest:https://127.0.0.1:9/x/" }),
      fails("HostRefused", "foreign", {}, { env: foreign }),
      fails("HostRefused", "nul", {}, { env: nul }),
      fails("SecretMissing", "too-long", {}, { password: canary("a long password").repeat(150) }),
      fails("SecretMissing", "no-key", { passwordFrom: from("no-key-password", "pass") }),
      fails("SecretMissing", "no-ca", { tls: { caFrom: from("no-ca-password", "password") } }),
    ]);
  } finally {
    await echo.stop();
  }
}
