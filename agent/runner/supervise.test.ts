import { type ChildProcess, spawn } from "node:child_process";
import { getEventListeners } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Clock, systemClock } from "#base/clock.ts";
import { groupAlive, type ProcessID, processStartTime, signalGroup } from "./process.ts";
import { startDetached } from "./shim.ts";
import { supervise } from "./supervise.ts";

let folder: string;
let release: AbortController;
let stranger: ChildProcess | undefined;
const bootID = "this-boot";

beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/holdfast-supervise-`);
  release = new AbortController();
  stranger = undefined;
});
afterEach(() => {
  stranger?.kill("SIGKILL");
  rmSync(folder, { recursive: true });
});

function watch(process: ProcessID, options: { clock?: Clock; onLine?: (text: string) => void } = {}) {
  const { clock = systemClock, onLine = () => {} } = options;
  return supervise({ folder, process, bootID, clock, release: release.signal, onLine: (_, text) => onLine(text) });
}

function started(script: string): ProcessID {
  let id: ProcessID | undefined;
  const journal = (process: ProcessID) => {
    id = process;
  };
  startDetached({ argv: ["/bin/sh", "-c", script], env: { PATH: process.env["PATH"]! }, folder, bootID, journal });
  return id!;
}

test("nothing of a restic that has ended hangs on to the agent's life", async () => {
  expect(await watch(started("exit 3")).exit).toEqual({ code: 3 });
  expect(getEventListeners(release.signal, "abort")).toEqual([]);
});

describe("a stop", () => {
  test("kills what does not listen", async () => {
    const process = started('trap "" INT; echo ready; while :; do sleep 0.05; done');
    const hasty = { ...systemClock, after: (ms: number, run: () => void) => systemClock.after(ms / 100, run) };
    let ready = () => {};
    const heard = new Promise<void>((resolve) => {
      ready = resolve;
    });
    const supervision = watch(process, { clock: hasty, onLine: () => ready() });
    await heard;
    supervision.stop();
    expect(await supervision.exit).toEqual({ code: undefined });
    expect(groupAlive(process, bootID)).toBe(false);
  });

  test.each([
    ["after a reboot", { bootID: "another-boot" }],
    ["after its end", { startTime: "1" }],
  ])("never reaches a stranger that has got its process id %s", async (_, change) => {
    stranger = spawn("sleep", ["60"], { detached: true, stdio: "ignore" });
    const pid = stranger.pid!;
    const ended = new Promise((resolve) => stranger!.once("exit", (_, signal) => resolve(signal)));
    const supervision = watch({ pid, startTime: processStartTime(pid)!, bootID, ...change });
    supervision.stop();
    expect(await supervision.exit).toEqual({ code: undefined });
    // Of two signals the first one pending wins; SIGINT has the lower number.
    signalGroup(pid, "SIGTERM");
    expect(await ended).toBe("SIGTERM");
  });
});

test("a flood of output is read in portions between which the agent does its other work", async () => {
  const lines = 200_000;
  writeFileSync(`${folder}/stderr`, "a line of thirty-one characters\n".repeat(lines));
  writeFileSync(`${folder}/exit`, "0\n");
  let seen = 0;
  let turns = 0;
  let more = true;
  const turn = () => {
    turns++;
    if (more) setImmediate(turn);
  };
  setImmediate(turn);
  const supervision = watch({ pid: 1, startTime: "1", bootID: "another-boot" }, { onLine: () => seen++ });
  expect(await supervision.exit).toEqual({ code: 0 });
  more = false;
  expect(seen).toBe(lines);
  expect(turns).toBeGreaterThan(3);
});
