import { randomBytes } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "#base/clock.ts";
import { messageOf } from "#base/errors.ts";
import type { Restore } from "#crds/restore.ts";
import { isTerminal } from "#protocol/outcome.ts";
import { differences, readTree } from "../demo/tree.ts";
import { until } from "../stage/until.ts";
import { livesOf } from "./check-lives.ts";
import { BULK, type Scene, SITE, type Station } from "./scene.ts";

/** New data of a long run, and how fast it goes: about four seconds. */
const BULK_BYTES = 2_000_000;
const UPLOAD_KIBPS = 512;
/** SITE has about one MiB. */
const DOWNLOAD_KIBPS = 400;
const LOOK_MS = 300;

/**
 * Keeps every host busy until `signal` aborts: long backups, restores and short backups in turn, at most two waiting at a
 * time. Returns what was asked for.
 */
export async function workload(scene: Scene, round: number, signal: AbortSignal): Promise<string[]> {
  const each = scene.stations.map(async (station) => {
    const subjects: string[] = [];
    // At least one of each, however soon the round is over.
    for (let n = 0; n < 3 || !signal.aborted; ) {
      if (waiting(scene, subjects) < 2)
        subjects.push(await askNext(scene, station, `${station.machine.name}-${round}-${n}`, n++));
      else await systemClock.sleep(LOOK_MS);
    }
    return subjects;
  });
  return (await Promise.all(each)).flat();
}

function askNext(scene: Scene, { machine }: Station, suffix: string, n: number): Promise<string> {
  const run = { hostRef: machine.name };
  switch (n % 3) {
    case 0: {
      writeFileSync(join(machine.root, BULK, "new.bin"), randomBytes(BULK_BYTES));
      const overrides = { limits: { uploadKiBps: UPLOAD_KIBPS } };
      return ask(scene, "BackupRun", `bulk-${suffix}`, { ...run, policyRef: "bulk", overrides });
    }
    case 1:
      return ask(scene, "Restore", `site-${suffix}`, {
        source: { repository: "offsite", policy: "www" },
        target: { hostRef: machine.name, path: `/var/lib/holdfast/restore/${suffix}` },
        limits: { downloadKiBps: DOWNLOAD_KIBPS },
      });
    default:
      return ask(scene, "BackupRun", `site-${suffix}`, { ...run, policyRef: "www" });
  }
}

/** How many of these have not ended and are still there. */
function waiting({ history }: Scene, subjects: readonly string[]): number {
  const ended = [...history.live("backupruns"), ...history.live("restores")].filter(({ object }) =>
    isTerminal((object?.status as { phase?: string } | undefined)?.phase),
  );
  const known = new Set(ended.map(({ plural, name }) => `${plural}/${name}`));
  return subjects.filter((subject) => !known.has(subject) && history.has(subject)).length;
}

/** Creates it, however often the API server is away. */
async function ask({ stage }: Scene, kind: string, name: string, spec: object): Promise<string> {
  const manifest = JSON.stringify({ apiVersion: "holdfast.dev/v1alpha1", kind, metadata: { name }, spec });
  await until(`${kind} ${name} is created`, 120, async () => {
    try {
      return await stage.kubectl(["create", "--request-timeout=5s", "--filename=-"], manifest);
    } catch (error) {
      // The answer to the first one was lost.
      if (messageOf(error).includes("AlreadyExists")) return true;
      throw error;
    }
  });
  return `${kind.toLowerCase()}s/${name}`;
}

/** Compares what restores have brought with the site, by the Restore's name, and removes it. */
export async function compareRestored(scene: Scene, compared: Map<string, string[]>): Promise<void> {
  for (const { plural, name, last } of livesOf(scene.history.versions)) {
    if (plural !== "restores" || last.status?.phase !== "Succeeded" || compared.has(name)) continue;
    const { hostRef, path } = (last as Restore).spec.target;
    const { root } = scene.stations.find(({ machine }) => machine.name === hostRef)!.machine;
    compared.set(name, differences(await readTree(join(root, SITE)), await readTree(join(root, path, SITE))));
    rmSync(join(root, path), { recursive: true });
  }
}
