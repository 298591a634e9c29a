import { accessSync, constants } from "node:fs";
import { systemClock } from "#base/clock.ts";
import { HoldfastError, messageOf } from "#base/errors.ts";
import { systemRandom } from "#base/random.ts";
import { openCore } from "../core.ts";
import { readInventory } from "../inventory.ts";
import { Link } from "../link/link.ts";
import { hasState, openState } from "../state/state.ts";
import type { Values } from "./arguments.ts";
import { HEALTH_INTERVAL_MS, writeHealth } from "./health.ts";
import { createLog } from "./logger.ts";

/** Runs the agent until `stop` aborts; leaves restic running. */
export async function runAgent(values: Values, stop: AbortSignal): Promise<void> {
  const log = createLog(values.logLevel);
  const clock = systemClock;
  const random = systemRandom;
  const { stateDir, cacheDir, hostRoot } = values;
  // A refusal leaves nothing behind: enroll may be meant for another folder.
  if (!hasState(stateDir)) throw notEnrolled(stateDir);
  const state = await openState({ dir: stateDir, clock, log, signal: stop });
  try {
    if (!state.identity.read()) throw notEnrolled(stateDir);
    const resticPath = findProgram(values.restic, process.env["PATH"] ?? "");
    const inventory = await readInventory({ resticPath, installedAs: values.installedAs, log });
    if (values.hostname !== undefined) inventory.agent.hostname = values.hostname;
    const { backupRoots, restoreRoots, repositorySchemes, secretFileRoots } = values;
    const core = openCore({
      state,
      cacheDir,
      rules: { backupRoots, restoreRoots, repositorySchemes, secretFileRoots },
      clock,
      random,
      log,
      resticPath,
      inventory,
      ...(hostRoot === undefined ? {} : { hostRoot }),
      environment: process.env,
    });
    const settings = {
      firstDelayMs: values.reconnectFirst,
      maxDelayMs: values.reconnectCap,
      refusedDelayMs: values.reconnectRefused,
    };
    const link = new Link({ core, settings, clock, random, log });
    const beat = () => {
      try {
        writeHealth(stateDir, link.status(), core.held().id, clock.now());
      } catch (error) {
        log.warn({ error: messageOf(error) }, "health file not written");
      }
    };
    link.onChange(beat);
    core.start();
    link.start();
    log.info({ ...inventory.agent, stateDir }, "agent started");
    await untilAborted(stop, beat);
    link.stop();
    await core.stop();
    log.info({}, "agent stopped; running backups go on");
  } finally {
    state.close();
  }
}

function notEnrolled(stateDir: string): HoldfastError {
  const message = `this machine is not enrolled (${stateDir}): run holdfast-agent enroll first`;
  return new HoldfastError("agent/not-enrolled", message);
}

/** Calls `beat` now and again until `stop` aborts. Its timer is what keeps an idle agent's process alive. */
function untilAborted(stop: AbortSignal, beat: () => void): Promise<void> {
  return new Promise((resolve) => {
    beat();
    const timer = setInterval(beat, HEALTH_INTERVAL_MS);
    const end = () => {
      clearInterval(timer);
      resolve();
    };
    if (stop.aborted) end();
    else stop.addEventListener("abort", end, { once: true });
  });
}

/** A path as it is, a name by PATH. One that is not found is left for the inventory to report: the agent connects without. */
function findProgram(program: string, path: string): string {
  if (program.includes("/")) return program;
  for (const folder of path.split(":").filter((part) => part.startsWith("/"))) {
    try {
      accessSync(`${folder}/${program}`, constants.X_OK);
      return `${folder}/${program}`;
    } catch {}
  }
  return `/usr/bin/${program}`;
}
