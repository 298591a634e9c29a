import { execFile } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemRandom } from "#base/random.ts";
import type { BackupRun } from "#crds/backuprun.ts";
import type { Restore } from "#crds/restore.ts";
import { openRunLog } from "../../agent/runner/run-log.ts";
import { freePort } from "../../hack/cluster/ports.ts";
import type { Machine } from "../../hack/stage/machine.ts";
import { Process } from "../../hack/stage/process.ts";
import { until } from "../../hack/stage/until.ts";
import { create, ended, enrolled, logsOnFailure, ready, testStage } from "../stage.ts";
import { answer, answerOf, ask, LogReader } from "./log-reader.ts";

/** A restic whose backup first says on stderr what the test gives it, line by line, and goes on when it is told to. */
const stage = testStage({
  resticOfAgents(restic, directory) {
    const program = join(directory, "talking-restic");
    const script = `#!/bin/sh
case " $* " in *" backup "*)
  n=1
  until [ -e ${directory}/go ]; do
    if [ -e ${directory}/say-$n ]; then cat ${directory}/say-$n >&2; n=$((n+1)); fi
    sleep 0.05
  done
esac
exec ${restic} "$@"
`;
    writeFileSync(program, script);
    chmodSync(program, 0o755);
    return program;
  },
});

const HOSTILE = `{"message_type":"error","error":{"message":"\\u001b[31mlstat"},"item":"/srv/www/\\u001b[2J\\u202egpj.exe\\u0007"}`;

let web: Machine;
let other: Process;
let ca: string;
let token: string;
let ports: { own: number; other: number };

beforeAll(async () => {
  const { directory } = stage();
  await stage().applyQuickstart();
  web = await enrolled(stage(), "web-1");
  mkdirSync(join(web.root, "srv/www"), { recursive: true });
  writeFileSync(join(web.root, "srv/www/index.html"), "hello");
  ports = { own: stage().replicas[0]!.port, other: await freePort(systemRandom) };
  other = new Process(
    [process.execPath, fileURLToPath(new URL("../../operator/main.ts", import.meta.url))],
    { ...stage().operator.environment, HOLDFAST_REPLICA: "other", HOLDFAST_LISTEN: `127.0.0.1:${ports.other}` },
    join(directory, "other.log"),
  );
  other.start();
  ca = await asTheReadmeSays();
  token = (await stage().kubectl(["create", "token", "log-reader"])).trim();
  await ready(stage(), "repository/offsite", "backuppolicy/www");
});

/** Carries out what the README has an administrator do, and returns the authority's certificate. */
async function asTheReadmeSays(): Promise<string> {
  const { cluster, directory, namespace, system } = stage();
  const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
  const block = /```sh\n(kubectl create serviceaccount log-reader[\s\S]*?)```/.exec(readme)?.[1] ?? "";
  const script = `kubectl() { command kubectl --namespace ${namespace} "$@"; }\n${block}`
    .replace("holdfast-system", system)
    .replace("default:log-reader", `${namespace}:log-reader`);
  const env = { ...cluster.environment, HOME: directory, PATH: `${dirname(cluster.kubectl)}:${process.env["PATH"]}` };
  await promisify(execFile)("bash", ["-euc", script], { cwd: directory, env });
  return readFileSync(join(directory, "holdfast-ca.crt"), "utf8");
}

afterAll(() => other?.stop("SIGKILL"));

/** The log of the run `live` on the host. */
let file: string;

let said = 0;
/** What restic says next; the file is whole when it is there. */
function say(text: string): void {
  const { directory } = stage();
  writeFileSync(join(directory, "words"), text);
  renameSync(join(directory, "words"), join(directory, `say-${++said}`));
}

const at = (run: string, more = "", kind = "backupruns") =>
  `/api/v1/namespaces/${stage().namespace}/${kind}/${run}/log${more}`;
const from = (path: string, port = ports.own) => ({ port, ca, token, path });
const shows = (reader: LogReader, words: string) =>
  until(`the reader to see ${words}`, 30, async () => reader.text.includes(words));

test("a log is followed from before its beginning to its end, over a restart of the agent and at another replica", async () => {
  logsOnFailure(stage());
  await until("the other replica serves", 60, async () => {
    other.expectRunning();
    return (await answer({ port: ports.other, ca, path: "/readyz" }).catch(() => undefined))?.status === 200;
  });
  await create(stage(), "BackupRun", "live", { policyRef: "www", hostRef: "web-1" });
  const near = await LogReader.open(from(at("live", "?follow=true")));
  const far = await LogReader.open(from(at("live", "?follow=true"), ports.other));
  say("first words, schöne Größe\n");
  await Promise.all([near, far].map((reader) => shows(reader, "first words")));

  await web.agent.stop("SIGTERM");
  say("said while nobody listened\n");
  await stage().connect(web);
  say(`${HOSTILE}\n`);
  await Promise.all([near, far].map((reader) => shows(reader, "exe")));
  writeFileSync(join(stage().directory, "go"), "");
  const run = await ended<BackupRun>(stage(), "backuprun", "live");
  await Promise.all([near.closed, far.closed]);

  file = join(web.folder, "state/runs", `run-${run.metadata.uid}`, "log");
  const whole = readFileSync(file, "utf8");
  expect(whole).toMatch(/first words[\s\S]*goes on after a restart[\s\S]*said while nobody[\s\S]*ended: /);
  expect(near.end).toEqual({ size: Buffer.byteLength(whole), ended: true });
  expect(near.text).toBe(whole);
  expect(far.text).toBe(whole);
});

test("a late reader gets the same bytes from wherever it begins, as text and as events, from every replica", async () => {
  const whole = readFileSync(file);
  const half = whole.indexOf("ö") + 1;
  for (const [offset, port] of [
    [0, ports.own],
    [0, ports.other],
    [7, ports.own],
    [half, ports.other],
    [whole.length - 1, ports.own],
    [whole.length, ports.own],
  ] as const) {
    const got = await answer(from(at("live", `?offset=${offset}`), port));
    expect(got).toEqual({ status: 200, body: whole.subarray(offset), cut: false });
  }
  const line = whole.indexOf("\n") + 1;
  const resumed = await LogReader.open({
    ...from(at("live", "?follow=true")),
    headers: { "last-event-id": `${line}` },
  });
  await resumed.closed;
  expect(resumed).toMatchObject({
    text: whole.subarray(line).toString(),
    lastID: String(whole.length),
    end: { size: whole.length, ended: true },
  });
});

test("what restic printed cannot act on a terminal", () => {
  const whole = readFileSync(file, "utf8");
  expect(whole).toContain("/srv/www/gpj.exe: lstat");
  expect(whole).not.toMatch(/[^\P{Cc}\n]|\p{Bidi_Control}/u);
});

test("whoever may not read a log, or asks for what is not there, is told why and what to do", async () => {
  const refusal = async (path: string, shown: string | undefined = token, port = ports.own) => {
    const { status, body } = await answer({ port, ca, path, ...(shown === "" ? {} : { token: shown }) });
    return { status, ...JSON.parse(body.toString()).error };
  };
  await stage().kubectl(["create", "serviceaccount", "stranger"]);
  const stranger = (await stage().kubectl(["create", "token", "stranger"])).trim();
  expect(await refusal(at("live"), "")).toMatchObject({ status: 401, code: "unauthorized" });
  expect(await refusal(at("live"), "nonsense")).toMatchObject({ status: 401, code: "unauthorized" });
  const forbidden = {
    status: 403,
    code: "forbidden",
    message: expect.stringMatching(/stranger may not .*backupruns\/log/),
  };
  expect(await refusal(at("live"), stranger)).toMatchObject(forbidden);
  expect(await refusal(at("none"), stranger)).toMatchObject(forbidden);
  expect(await refusal(at("none"))).toMatchObject({ status: 404, code: "not_found" });
  expect(await refusal(at("live", "?folow=true"))).toMatchObject({
    status: 400,
    message: expect.stringContaining("folow"),
  });
  expect(await refusal(at("live", "?offset=-1"))).toMatchObject({
    status: 400,
    message: expect.stringContaining("offset"),
  });
  const beyond = { status: 416, code: "log_shorter" };
  expect(await refusal(at("live", "?offset=1000000"))).toMatchObject(beyond);
  expect(await refusal(at("live", "?offset=1000000"), token, ports.other)).toMatchObject(beyond);
});

test("the log of a restore is read in the same way", async () => {
  const spec = {
    source: { repository: "offsite", policy: "www" },
    target: { hostRef: "web-1", path: "/var/lib/holdfast/restore/www" },
  };
  await create(stage(), "Restore", "back", spec);
  const reader = await LogReader.open(from(at("back", "?follow=true", "restores"), ports.other));
  await ended<Restore>(stage(), "restore", "back");
  await reader.closed;
  expect(reader.end?.ended).toBe(true);
  expect(reader.text).toMatch(/ agent \[1\/restore.*\][\s\S]* agent ended: Succeeded/);
});

test("readers that take nothing hold up neither the host nor others, and a log over its limit says what it lacks", async () => {
  logsOnFailure(stage());
  rmSync(file);
  const log = openRunLog(file, (text) => text, 16 * 1024 * 1024);
  const line = "x".repeat(20_000);
  for (let n = 0; n < 1000; n++) log.add("stdout", line, n);
  log.close(0);
  const slow = await Promise.all(Array.from({ length: 8 }, () => ask(from(at("live")))));
  expect(slow.map(({ statusCode }) => statusCode)).toEqual(Array(8).fill(200));
  expect((await answer(from(at("live")))).status).toBe(429);
  expect((await answer(from(at("live"), ports.other))).status).toBe(429);
  await create(stage(), "BackupRun", "beside", { policyRef: "www", hostRef: "web-1" });
  expect((await ended<BackupRun>(stage(), "backuprun", "beside")).status?.phase).toBe("Succeeded");
  expect((await answer(from(at("live")))).status).toBe(429);
  for (const response of slow) response.destroy();
  const whole = await until("a place to be free", 30, async () => {
    const got = await answer(from(at("live"), ports.other));
    return got.status === 200 ? got.body : undefined;
  });
  expect(whole.equals(readFileSync(file))).toBe(true);
  expect(whole.toString()).toMatch(/ agent \[gap: \d+ bytes left out, a log holds at most 16777216\]\n$/);
});

test("a replica that stops says so to who follows, and a host that is away is named with where the log's end is", async () => {
  rmSync(join(stage().directory, "go"));
  await create(stage(), "BackupRun", "cut", { policyRef: "www", hostRef: "web-1" });
  const reader = await LogReader.open(from(at("cut", "?follow=true")));
  const plain = ask(from(at("cut", "?follow=true")));
  await shows(reader, "[1/backup]");
  const body = answerOf(await plain);
  await stage().operator.stop("SIGTERM");
  await reader.closed;
  expect(reader.error).toMatchObject({ code: "stopping", message: expect.stringContaining("ask again") });
  expect(await body).toMatchObject({ cut: true });

  await web.agent.stop("SIGTERM");
  const { status, body: refused } = await answer(from(at("cut"), ports.other));
  expect(status).toBe(503);
  expect(JSON.parse(refused.toString()).error).toMatchObject({
    code: "host_offline",
    message: expect.stringContaining("status.logTail"),
  });
});
