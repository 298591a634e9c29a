import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { BackupRun } from "#crds/backuprun.ts";
import type { Machine } from "../../hack/stage/machine.ts";
import { until } from "../../hack/stage/until.ts";
import { create, ended, ready } from "../stage.ts";
import { readableByOthers } from "./canary-places.ts";
import type { CanaryWorld } from "./canary-world.ts";

/** Kills the agent while restic runs, which the next one takes over, and then restic. */
export async function killInMidRun({ stage }: CanaryWorld, machine: Machine): Promise<void> {
  writeFileSync(join(machine.root, "srv/www/noise"), randomBytes(8 * 1024 * 1024));
  await create(stage(), "BackupPolicy", "slow", {
    hosts: { names: ["web-1"] },
    repository: { name: "offsite" },
    files: { paths: ["/srv/www"] },
    limits: { uploadKiBps: 50 },
  });
  await ready(stage(), "backuppolicy/slow");
  await create(stage(), "BackupRun", "slow", { policyRef: "slow", hostRef: "web-1" });
  const { uid } = (await stage().get<BackupRun>("backuprun", "slow")).metadata;
  const restic = await until("restic to upload", 30, async () => resticOf(uid));
  // While the repository's key lies there.
  expect(readdirSync(join(machine.folder, "run"))).toHaveLength(1);
  expect(readableByOthers(machine.folder)).toEqual([]);
  await machine.agent.stop("SIGKILL");
  await stage().connect(machine);
  process.kill(restic, "SIGKILL");
  await until("the run to be told of", 30, async () => {
    const { status } = await stage().get<BackupRun>("backuprun", "slow");
    return (status?.attempts ?? 0) > 1 || status?.phase === "Failed";
  });
  await stage().kubectl(["patch", "backuprun", "slow", "--type=merge", '--patch={"spec":{"cancel":true}}']);
  await ended<BackupRun>(stage(), "backuprun", "slow");
}

/** The process of the backup that tags its snapshot with this run. */
function resticOf(run: string): number | undefined {
  const isIt = (pid: string) => {
    try {
      const argv = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
      return argv[1] === "backup" && argv.includes(`--tag=run=${run}`);
    } catch {
      return false; // It has ended.
    }
  };
  const pid = readdirSync("/proc").find((entry) => /^\d+$/.test(entry) && isIt(entry));
  return pid === undefined ? undefined : Number(pid);
}

/** Settings for a program that is to crash: at SIGUSR2 an error with a secret on it, as libraries throw them, is caught by nobody. */
export function crashing({ stage, canary }: CanaryWorld): Record<string, string> {
  const file = join(stage().directory, "thrown.mjs");
  const secret = JSON.stringify(canary("what hangs on an error nobody caught"));
  const error = `Object.assign(new Error("thrown by the test"), { request: { password: ${secret} } })`;
  writeFileSync(file, `process.on("SIGUSR2", () => { Promise.reject(${error}); });\n`);
  return { NODE_OPTIONS: `--import=${file}` };
}

/** Lets both programs crash, which must have been started with those settings; the agent while it has nothing to do. */
export async function crash({ stage }: CanaryWorld, machine: Machine): Promise<void> {
  const die = async (process: Machine["agent"]) => {
    process.signal("SIGUSR2");
    await until("the process to die of it", 20, async () => !process.running);
  };
  await die(stage().operator);
  // A repository's key lies there while restic runs, and nobody orders any more that it does.
  await until("the last key to be removed", 90, async () => readdirSync(join(machine.folder, "run")).length === 0);
  await die(machine.agent);
  const crashed = ["web-1.log", "operator.log"].filter((log) => {
    const end = readFileSync(join(stage().directory, log), "utf8").slice(-2000);
    return end.includes("crashed") && end.includes("thrown by the test");
  });
  expect(crashed).toEqual(["web-1.log", "operator.log"]);
}
