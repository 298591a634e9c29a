import { Registry } from "prom-client";
import { systemClock as clock } from "#base/clock.ts";
import { systemRandom as random } from "#base/random.ts";
import { agentFacts } from "#protocol/fixtures.ts";
import { BackupRuns, Hosts } from "../../../operator/controllers/kinds.ts";
import { HttpClient } from "../../../operator/kube/client.ts";
import { loadConnection } from "../../../operator/kube/connection.ts";
import { kubeMetrics } from "../../../operator/kube/metrics.ts";

/** Requests under way at once. */
const AT_ONCE = 32;
const NOW = "2026-01-01T00:00:00Z";
const ID = "0123456789abcdef".repeat(4);

/**
 * Brings what `namespace` holds from so many objects to so many: half of them Hosts, half ended BackupRuns, each with the
 * status it has in life.
 */
export async function fill(kubeconfig: string, namespace: string, from: number, to: number): Promise<void> {
  const nothing = () => {};
  const log = { debug: nothing, info: nothing, warn: nothing, error: nothing, child: () => log };
  const connection = await loadConnection({ kubeconfig, env: {}, clock });
  const metrics = kubeMetrics(new Registry());
  const client = new HttpClient({ connection, userAgent: "holdfast-bench", clock, random, log, metrics });
  const host = async (index: number) => {
    const name = hostName(index);
    await client.create(Hosts, {
      metadata: { namespace, name, labels: { role: "web", site: `site-${index % 50}` } },
      spec: {},
    });
    await client.patch(Hosts, { namespace, name }, { status: hostStatus(name) }, { subresource: "status" });
  };
  const run = async (index: number) => {
    const hostRef = hostName(index);
    const name = `www-${hostRef}-1`;
    const spec = {
      policyRef: "www",
      hostRef,
      runID: `run-${index}`,
      trigger: "Schedule",
    } as const;
    await client.create(BackupRuns, { metadata: { namespace, name }, spec: { ...spec, scheduledTime: NOW } });
    await client.patch(BackupRuns, { namespace, name }, { status: runStatus() }, { subresource: "status" });
  };
  let next = from;
  const worker = async () => {
    for (let index = next++; index < to; index = next++) await (index % 2 === 0 ? host : run)(Math.floor(index / 2));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  await client.close();
}

function hostName(index: number): string {
  return `web-${String(index).padStart(6, "0")}`;
}

function condition(type: string, status: "True" | "False", reason: string) {
  return {
    type,
    status,
    reason,
    message: `What ${reason} means for this object, in a sentence.`,
    lastTransitionTime: NOW,
  };
}

function hostStatus(hostname: string) {
  return {
    conditions: [
      condition("Connected", "False", "Disconnected"),
      condition("ConfigApplied", "True", "Applied"),
      condition("Ready", "True", "Ready"),
    ],
    agent: {
      ...agentFacts({ hostname, kernel: "6.1.0", installedAs: "Service", capabilities: ["backup", "restore"] }),
      protocol: 1,
    },
    session: {
      epoch: 7,
      replica: "operator-0-00000000",
      bootID: ID.slice(0, 32),
      connectedTime: NOW,
      disconnectedTime: NOW,
    },
    config: { desired: ID.slice(0, 16), applied: ID.slice(0, 16) },
    policies: [{ name: "www", lastPhase: "Succeeded", lastSuccessfulTime: NOW, nextScheduleTime: NOW }],
  };
}

function runStatus() {
  return {
    phase: "Succeeded",
    reason: "Completed",
    message: "",
    startTime: NOW,
    completionTime: NOW,
    exitCode: 0,
    attempts: 1,
    logTail: "a line of restic's log, as long as they are\n".repeat(40),
    conditions: [condition("Complete", "True", "Completed")],
    effective: { configID: ID.slice(0, 16), repository: "offsite", paths: ["/srv/www", "/etc"] },
    snapshots: [{ id: ID, source: "files", filesNew: 12, filesChanged: 3, totalFiles: 20_000, dataAdded: 12_345_678 }],
  };
}
