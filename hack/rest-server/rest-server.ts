import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { request as plainRequest } from "node:http";
import { request } from "node:https";
import { join } from "node:path";
import { hash } from "bcryptjs";
import { systemClock } from "#base/clock.ts";
import { HoldfastError } from "#base/errors.ts";
import { systemRandom } from "#base/random.ts";
import { createAuthority, issue } from "../cluster/pki.ts";
import { freePort } from "../cluster/ports.ts";
import { probe } from "../cluster/probe.ts";
import { ensureTools } from "../tools/tools.ts";

/** A real rest-server on a loopback port. */
export interface RestServer {
  /** `rest:https://127.0.0.1:<port>/`, or with http; a repository's path and a slash come behind it. */
  readonly url: string;
  /** The folder that holds the repositories. */
  readonly data: string;
  /** PEM of the authority that signed its certificate; of no use without TLS. */
  readonly ca: string;
  readonly pid: number;
  /** Ends it; start brings it back on the same port with the same data. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

export interface RestServerOptions {
  /** Everything it writes goes below this folder, which is its starter's to remove. */
  directory: string;
  /** User names and passwords; one user sees every repository. Absent: nobody is asked who it is. */
  users?: Record<string, string>;
  appendOnly?: boolean;
  /** Without TLS. */
  plain?: boolean;
  /** What all repositories together may take. */
  maxSizeBytes?: number;
}

/** bcrypt's cost; the tests' passwords are random, so the lowest one does. */
const COST = 4;
const START_MS = 10_000;

export async function startRestServer(options: RestServerOptions): Promise<RestServer> {
  const { "rest-server": program } = await ensureTools(["rest-server"], { report: () => {} });
  const { directory } = options;
  const data = join(directory, "data");
  mkdirSync(data, { recursive: true, mode: 0o700 });
  const now = systemClock.now();
  const authority = await createAuthority("rest-server authority", now);
  const served = await issue(authority, { commonName: "rest-server", names: ["localhost", "127.0.0.1"] }, now);
  const path = (name: string) => join(directory, name);
  writeFileSync(path("tls.crt"), served.cert);
  writeFileSync(path("tls.key"), served.key, { mode: 0o600 });
  const lines = await Promise.all(
    Object.entries(options.users ?? {}).map(async ([user, password]) => `${user}:${await hash(password, COST)}\n`),
  );
  writeFileSync(path("htpasswd"), lines.join(""), { mode: 0o600 });
  const port = await freePort(systemRandom);
  const address = `127.0.0.1:${port}`;
  let child: ChildProcess | undefined;

  const [origin, ask] = options.plain === true ? [`http://${address}`, plainRequest] : [`https://${address}`, request];
  const start = async () => {
    const log = openSync(path("rest-server.log"), "a");
    const started = spawn(
      program,
      [
        ...["--listen", address, "--path", data],
        ...(options.users === undefined ? ["--no-auth"] : ["--htpasswd-file", path("htpasswd")]),
        ...(options.plain === true ? [] : ["--tls", "--tls-cert", path("tls.crt"), "--tls-key", path("tls.key")]),
        ...(options.maxSizeBytes === undefined ? [] : ["--max-size", `${options.maxSizeBytes}`]),
        ...(options.appendOnly === true ? ["--append-only"] : []),
      ],
      { stdio: ["ignore", log, log] },
    );
    child = started;
    const deadline = systemClock.monotonic() + START_MS;
    // Without credentials it is 401.
    while ((await probe(ask, { host: "127.0.0.1", port, ca: authority.cert })) === 0) {
      if (started.exitCode !== null || systemClock.monotonic() > deadline) {
        started.kill("SIGKILL");
        const said = readFileSync(path("rest-server.log"), "utf8").slice(-1000);
        throw new HoldfastError("rest-server/start", `rest-server does not answer on ${address}: ${said}`);
      }
      await systemClock.sleep(20);
    }
  };
  const stop = async () => {
    const stopping = child;
    child = undefined;
    if (stopping === undefined || stopping.exitCode !== null || stopping.signalCode !== null) return;
    const ended = new Promise((resolve) => stopping.once("exit", resolve));
    stopping.kill("SIGKILL"); // Its own shutdown waits for idle connections.
    await ended;
  };
  await start();
  return {
    url: `rest:${origin}/`,
    data,
    ca: authority.cert,
    get pid() {
      return child?.pid ?? 0;
    },
    stop,
    start,
  };
}
