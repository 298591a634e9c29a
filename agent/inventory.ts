import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { arch, hostname, release, type } from "node:os";
import { promisify } from "node:util";
import { messageOf } from "#base/errors.ts";
import type { Hello } from "#protocol/frames.ts";
import { READS_LOGS } from "#protocol/limits.ts";
import { line } from "#protocol/text.ts";
import { RELEASE } from "#protocol/version.ts";
import type { Log } from "./log.ts";

/** What the agent says of itself and its machine in each hello. */
export type Inventory = Pick<Hello, "bootID" | "agent">;

/** The kernel's id of this boot: a process id is only worth something together with it. */
function kernelBootID(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

/** Asks restic for its version; an agent without a usable restic still connects and says so by an empty version. */
export async function readInventory(options: {
  resticPath: string;
  installedAs: Hello["agent"]["installedAs"];
  log: Log;
}): Promise<Inventory> {
  return {
    bootID: kernelBootID(),
    agent: {
      version: RELEASE,
      restic: await resticVersion(options.resticPath, options.log),
      os: type().toLowerCase(),
      arch: arch(),
      hostname: line(hostname(), 256),
      kernel: line(release(), 256),
      installedAs: options.installedAs,
      capabilities: ["backup", "restore", "init", READS_LOGS],
    },
  };
}

async function resticVersion(resticPath: string, log: Log): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(resticPath, ["version", "--json"], { env: {}, timeout: 10_000 });
    const answer: unknown = JSON.parse(stdout);
    if (typeof answer === "object" && answer !== null && "version" in answer && typeof answer.version === "string") {
      return line(answer.version, 256);
    }
    log.error({ restic: resticPath }, "restic does not say its version: 0.17 or newer is needed, 0.19 is recommended");
  } catch (error) {
    log.error({ restic: resticPath, error: messageOf(error) }, "restic cannot be run: install it or name its path");
  }
  return "";
}
