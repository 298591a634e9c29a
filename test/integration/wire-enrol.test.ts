import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { sha256 } from "#protocol/canonical.ts";
import { type EnrollRequest, enrollRequest, formatToken, parseCredential } from "#protocol/enroll.ts";
import { type Authority, certificates } from "./wire-certificates.ts";

const PROGRAM = fileURLToPath(new URL("../../agent/main.ts", import.meta.url));
const TOKEN = formatToken("0f8fad5b-d9cb-469f-a165-70867728950e", "t".repeat(43));

let authority: Authority;
let server: Server;
let folder: string;
let requests: EnrollRequest[];
let answer: (request: EnrollRequest, response: ServerResponse) => void;

beforeAll(async () => {
  authority = await certificates("enrol test");
  server = createServer({ cert: authority.cert, key: authority.key }, (request: IncomingMessage, response) => {
    let body = "";
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("end", () => {
      const parsed = enrollRequest.parse(JSON.parse(body));
      requests.push(parsed);
      answer(parsed, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterAll(() => {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(resolve));
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "holdfast-enrol-"));
  requests = [];
  answer = (request, response) => {
    const host = { uid: "uid", namespace: "backups", name: request.hostname.toLowerCase() };
    const body = { host, clusterID: "c", endpoint: "wss://localhost:1/v1/agent", ca: [authority.ca], ticket: "t" };
    response.end(JSON.stringify(body));
  };
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const address = () => `https://localhost:${(server.address() as AddressInfo).port}`;

function agent(
  args: string[],
  stdin = "",
  env: NodeJS.ProcessEnv = {},
): Promise<{ code: number | null; out: string; err: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [PROGRAM, ...args], {
      env: { PATH: process.env["PATH"], HOLDFAST_STATE_DIR: join(folder, "state"), HOLDFAST_HOSTNAME: "Web-1", ...env },
    });
    let out = "";
    let err = "";
    child.stdout.on("data", (chunk) => {
      out += chunk;
    });
    child.stderr.on("data", (chunk) => {
      err += chunk;
    });
    child.on("close", (code) => resolve({ code, out, err }));
    child.stdin.on("error", () => {});
    child.stdin.end(stdin);
  });
}

const enroll = (stdin: string, ...more: string[]) =>
  agent(["enroll", "--server", address(), "--pin", authority.pin, ...more], stdin);

test("enrolling proves the server by its pin, sends only the credential's hash and stores the identity", async () => {
  expect(await enroll(`${TOKEN}\n`)).toEqual({
    code: 0,
    out: "Enrolled as Host web-1 in namespace backups. Start the agent: holdfast-agent run\n",
    err: "",
  });
  expect(requests).toMatchObject([{ token: TOKEN, hostname: "Web-1" }]);
  const { out } = await agent(["dump-state", "--allow-secrets"]);
  const dump = JSON.parse(out) as { secrets: { name: string; sealed: { credential: string } }[]; identity: unknown[] };
  const { credential } = dump.secrets.find(({ name }) => name === "identity")!.sealed;
  const { secret, ...of } = parseCredential(credential)!;
  expect(of).toEqual({ namespace: "backups", host: "web-1" });
  expect(sha256(secret)).toBe(requests[0]!.credentialHash);
  expect(dump.identity).toMatchObject([
    { value: { endpoint: "wss://localhost:1/v1/agent", ca: [authority.ca.trim()], highestEpoch: 0 } },
  ]);
  const plain = await agent(["dump-state"]);
  expect(plain.out).not.toContain(secret);
  expect((await enroll(`${TOKEN}\n`)).out).toContain("Already enrolled as Host web-1 in namespace backups");
  expect(requests).toHaveLength(1);
});

test("an enrolment repeated after a lost answer sends the same credential again", async () => {
  const works = answer;
  answer = (_request, response) => response.destroy();
  const lost = await enroll(TOKEN);
  expect(lost.code).toBe(1);
  expect(lost.err).toContain("run the same command again, it is then the same enrolment");
  answer = works;
  expect((await enroll(TOKEN)).code).toBe(0);
  expect(requests[1]!.credentialHash).toBe(requests[0]!.credentialHash);
});

test("another token begins another enrolment with another credential", async () => {
  answer = (_request, response) => response.destroy();
  await enroll(TOKEN);
  await enroll(formatToken("1f8fad5b-d9cb-469f-a165-70867728950e", "u".repeat(43)));
  expect(requests[1]!.credentialHash).not.toBe(requests[0]!.credentialHash);
});

test("a wrong pin says which key was seen and what to do, and nothing is sent", async () => {
  const wrong = `sha256/${Buffer.alloc(32).toString("base64")}`;
  const { code, err } = await agent(["enroll", "--server", address(), "--pin", wrong], TOKEN);
  expect(code).toBe(1);
  expect(err).toContain(`does not have the key ${wrong}; it shows`);
  expect(err).toContain(`${authority.pin} (CN=Holdfast enrol test)`);
  expect(err).toContain("take the one in the EnrollmentToken's Secret (key pin)");
  expect(requests).toEqual([]);
});

test("without a pin the system's authorities decide", async () => {
  const { code, err } = await agent(["enroll", "--server", address(), "--pin", "none"], TOKEN);
  expect(code).toBe(1);
  expect(err).toContain("signed by an authority that is not trusted here");
  expect(requests).toEqual([]);
});

test("a server that shows the pinned authority but has no certificate by it gets no token", async () => {
  const other = await certificates("other");
  const impostor = createServer({ cert: `${other.leaf}\n${authority.ca}`, key: other.key }, () =>
    requests.push({} as never),
  );
  await new Promise<void>((resolve) => impostor.listen(0, "127.0.0.1", resolve));
  const { port } = impostor.address() as AddressInfo;
  const { code } = await agent(["enroll", "--server", `https://localhost:${port}`, "--pin", authority.pin], TOKEN);
  impostor.closeAllConnections();
  await new Promise((resolve) => impostor.close(resolve));
  expect(code).toBe(1);
  expect(requests).toEqual([]);
});

test.each([
  ["an empty input is no token", "", "standard input is empty"],
  ["a malformed token is refused before any network", "hft_123_abc", "holds no enrolment token: a token reads hft_"],
])("%s", async (_, stdin, message) => {
  const { code, err } = await agent(["enroll", "--server", "https://localhost:1", "--pin", authority.pin], stdin);
  expect(code).toBe(1);
  expect(err).toContain(message);
});

test("a token file that others can read is refused, a private one is taken", async () => {
  const file = join(folder, "token");
  writeFileSync(file, TOKEN, { mode: 0o644 });
  const refused = await enroll("", "--token-file", file);
  expect(refused.code).toBe(1);
  expect(refused.err).toContain(`${file} can be read by others (mode 644): chmod 600 ${file}`);
  rmSync(file);
  writeFileSync(file, TOKEN, { mode: 0o600 });
  expect((await enroll("", "--token-file", file)).code).toBe(0);
});

test("the server's refusal is shown in its own words", async () => {
  answer = (_request, response) => {
    response.statusCode = 403;
    response.end(
      JSON.stringify({
        error: { code: "token_expired", message: "token backups/web expired at 12:00; make a new EnrollmentToken" },
      }),
    );
  };
  const { code, err } = await enroll(TOKEN);
  expect(code).toBe(1);
  expect(err).toContain(
    "refuses the enrolment (403): token backups/web expired at 12:00; make a new EnrollmentToken (token_expired)",
  );
});

test("an unreachable server and one that is not Holdfast are told apart", async () => {
  const nobody = await agent(["enroll", "--server", "https://localhost:1", "--pin", authority.pin], TOKEN);
  expect(nobody.err).toContain("cannot connect to localhost:1: nothing listens there (ECONNREFUSED)");
  answer = (_request, response) => response.end("<html>welcome</html>");
  expect((await enroll(TOKEN)).err).toContain("is no Holdfast operator this agent");
  answer = (_request, response) => {
    response.statusCode = 502;
    response.end("<html>bad gateway</html>");
  };
  expect((await enroll(TOKEN)).err).toContain("answers 502 and not as a Holdfast operator does: check --server");
});

test("all mistakes in the settings are told at once", async () => {
  const { code, err } = await agent(["enroll", "--server", "http://x", "--bogus"], TOKEN, {
    HOLDFAST_LOG_LEVEL: "loud",
  });
  expect(code).toBe(2);
  for (const part of [
    "--bogus is no flag",
    "--server is",
    "--pin (or HOLDFAST_PIN) is missing",
    'HOLDFAST_LOG_LEVEL is "loud"',
  ]) {
    expect(err).toContain(part);
  }
});

test("an agent that is not enrolled says what to run", async () => {
  const { code, err } = await agent(["run"], "", { HOLDFAST_CACHE_DIR: join(folder, "cache") });
  expect(code).toBe(1);
  expect(err).toContain("is not enrolled");
  expect(err).toContain("run holdfast-agent enroll first");
  expect(readdirSync(folder)).toEqual([]);
});

test("a running agent is healthy without the operator, survives SIGHUP and ends on SIGTERM", async () => {
  await enroll(TOKEN);
  const state = join(folder, "state");
  const child = spawn(
    process.execPath,
    [PROGRAM, "run", "--cache-dir", join(folder, "cache"), "--reconnect-first", "1ms"],
    {
      env: { PATH: process.env["PATH"], HOLDFAST_STATE_DIR: state },
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  let log = "";
  child.stdout.setEncoding("utf8");
  const started = new Promise<void>((resolve) => {
    child.stdout.on("data", (chunk: string) => {
      log += chunk;
      if (log.includes("not connected")) resolve();
    });
  });
  await started;
  child.kill("SIGHUP");
  // The failed dial stands there already, not only after the next interval.
  expect(await agent(["health-check"])).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^runs, not connected since \S+ \((?!starting)/),
  });
  expect((await agent(["health-check", "--connected"])).code).toBe(1);
  const busy = await agent(["enroll", "--again", "--server", address(), "--pin", authority.pin], TOKEN);
  expect(busy.err).toContain(`an agent runs on ${state}: stop it first`);
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  expect(await ended).toBe(0);
  for (const line of log.trim().split("\n"))
    expect(JSON.parse(line)).toMatchObject({ level: expect.any(String), msg: expect.any(String) });
  expect(log).not.toContain("hfa_backups");
  expect(readFileSync(join(state, "health.json"), "utf8")).not.toContain("hfa_");
});
