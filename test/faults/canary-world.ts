import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll } from "vitest";
import { WebSocket } from "ws";
import { systemClock } from "#base/clock.ts";
import { secret } from "#base/random.ts";
import type { Machine } from "../../hack/stage/machine.ts";
import type { Stage } from "../../hack/stage/stage.ts";
import { until } from "../../hack/stage/until.ts";
import { testStage } from "../stage.ts";
import { Canaries, type Find } from "./canary.ts";
import { clusterPlaces, folderPlaces, type Places, processPlaces, sharedPlaces } from "./canary-places.ts";
import { ProcessSampler } from "./process-sampler.ts";

const AGENT = fileURLToPath(new URL("../../agent/main.ts", import.meta.url));
/** Below the stage's folder, and meant to hold secrets: the test's own files, and the agent's key. */
const LEFT = ["restic-calls/", "operator.kubeconfig", "thrown.mjs", "secrets.d/", "web-1/state/key"];

export interface CanaryWorld {
  stage(): Stage;
  readonly canaries: Canaries;
  /** A value nobody may see; `characters` are put into it that programs escape. */
  canary(name: string, characters?: string): string;
  /** Runs the agent's program as on `machine` and keeps what it prints, which it returns. */
  agent(machine: Machine, args: readonly string[], input?: string): Promise<string>;
  /** Sends a request to the operator at `server` and keeps the answer, which it returns. */
  ask(
    server: string,
    path: string,
    options?: { method?: string; headers?: Record<string, string>; body?: string },
  ): Promise<string>;
  /** Sends frames to the operator on a connection with this credential and keeps what comes back. */
  speak(server: string, credential: string, frames: readonly string[]): Promise<void>;
  /** Every place, with what is there now. */
  everywhere(): Promise<Places>;
  search(places: Places, by?: Canaries): Find[];
}

/** Call it at the top of a test file: a stage whose every process is watched, from before it begins to its end. */
export function canaryWorld(): CanaryWorld {
  const sampler = new ProcessSampler();
  const canaries = new Canaries();
  const answers: Places = new Map();
  const began = systemClock.now();
  let auditFrom = 0;
  const stage = testStage({ resticOfAgents: recordingRestic });
  beforeAll(() => {
    auditFrom = statSync(stage().cluster.auditLog).size;
    sampler.start();
  });
  afterAll(() => sampler.stop());

  const keep = (what: string, said: string) => {
    answers.set(`${what} (${answers.size + 1})`, said);
    return said;
  };
  return {
    stage,
    canaries,
    canary(name, characters = "") {
      const value = `${secret(9)}${characters}${secret(15)}`;
      canaries.add(name, value);
      return value;
    },
    async agent({ agent: { environment } }, args, input = "") {
      const child = spawn(process.execPath, [AGENT, ...args], { env: environment });
      let output = "";
      for (const stream of [child.stdout, child.stderr])
        stream.setEncoding("utf8").on("data", (chunk: string) => {
          output += chunk;
        });
      child.stdin.on("error", () => {}); // It ended without reading.
      child.stdin.end(input);
      await new Promise((resolve) => child.once("close", resolve));
      return keep(`output of holdfast-agent ${args[0]?.slice(0, 12)}`, output);
    },
    async ask(server, path, { method = "GET", headers = {}, body } = {}) {
      const once = () =>
        new Promise<string>((resolve, reject) => {
          const options = { method, headers, rejectUnauthorized: false, agent: false };
          const sent = request(`${server}${path}`, options, (response) => {
            let text = `${response.statusCode} ${response.rawHeaders.join(" ")} `;
            response.setEncoding("utf8").on("data", (chunk: string) => {
              text += chunk;
            });
            response.on("end", () => resolve(text));
          });
          sent.on("error", reject);
          sent.end(body);
        });
      // The operator hangs up on a client that is too slow, which this loaded machine can make of any.
      const said = await until("an answer", 60, once);
      return keep(`answer to ${method}`, said);
    },
    async speak(server, credential, frames) {
      const socket = new WebSocket(`${server.replace("https:", "wss:")}/v1/agent?credential=${credential}`, {
        headers: { authorization: `Bearer ${credential}` },
        rejectUnauthorized: false,
      });
      let heard = "";
      socket.on("message", (data) => {
        heard += data.toString();
      });
      socket.on("error", (error) => {
        heard += error.message;
      });
      socket.on("open", () => {
        for (const frame of frames) socket.send(frame);
      });
      await new Promise<void>((resolve) => {
        socket.on("close", (code, reason) => {
          heard += ` ${code} ${reason}`;
          resolve();
        });
      });
      keep("frames of the operator", heard);
    },
    async everywhere() {
      const calls = recordedCalls(stage().directory);
      return new Map([
        ...answers,
        ...(await clusterPlaces(stage(), auditFrom)),
        ...folderPlaces(stage().directory, LEFT),
        ...sharedPlaces(began),
        ...processPlaces([...sampler.samples(), ...calls]),
      ]);
    },
    search: (places, by = canaries) => [...places].flatMap(([place, content]) => by.search(place, content)),
  };
}

/** A restic that leaves its arguments and environment behind before it begins: a short one could be gone too soon. */
function recordingRestic(restic: string, directory: string): string {
  const program = join(directory, "recording-restic");
  const record = join(directory, LEFT[0]!);
  mkdirSync(record);
  const lines = ["cmdline", "environ"].map((file) => `cat "/proc/$$/${file}" >"${record}$$.${file}"`);
  writeFileSync(program, ["#!/bin/sh", ...lines, `exec "${restic}" "$@"`, ""].join("\n"));
  chmodSync(program, 0o755);
  return program;
}

function recordedCalls(directory: string) {
  const record = join(directory, LEFT[0]!);
  const pids = readdirSync(record).flatMap((name) => (name.endsWith(".environ") ? [Number.parseInt(name, 10)] : []));
  const read = (pid: number, file: string) => readFileSync(join(record, `${pid}.${file}`), "utf8");
  return pids.map((pid) => ({ pid, argv: read(pid, "cmdline"), environment: read(pid, "environ").split("\0") }));
}
