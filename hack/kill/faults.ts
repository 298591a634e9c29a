import { existsSync } from "node:fs";
import { systemClock } from "#base/clock.ts";
import type { BackupRun } from "#crds/backuprun.ts";
import { startTime } from "../cluster/process-table.ts";
import type { KubeRequest } from "../fault-proxy/kube-request.ts";
import type { Rule } from "../fault-proxy/rules.ts";
import type { Started } from "./gate.ts";
import type { Fault } from "./history.ts";
import { nameOf, type Planned, type Point, type Step } from "./plan.ts";
import type { Scene, Station } from "./scene.ts";
import type { Victims } from "./victims.ts";

/** A point that does not come within this is given up; the fault is not counted then. */
const PATIENCE_MS = 30_000;
const LOOK_MS = 25;
/** A restic that is to be hit in the middle is hit this long after its start, at most. */
const LONGEST_INTO_MS = 3_000;

type Hit = Awaited<ReturnType<Victims["agent"]>>;

/** Waits for the time and the point of a planned fault and does it. Undefined where the point did not come. */
export async function carryOut(scene: Scene, victims: Victims, planned: Planned): Promise<Fault | undefined> {
  const station = scene.stations[planned.host % scene.stations.length]!;
  await systemClock.sleep(planned.atMs);
  const { target, signal, point } = planned;
  const hit = await (point.kind === "any"
    ? atOnce(victims, station, planned)
    : point.kind === "request"
      ? atRequest(scene, victims, station, planned, point)
      : atRestic(victims, station, planned, point));
  return hit && { target, signal, point: nameOf(planned), ...hit };
}

async function atOnce(victims: Victims, station: Station, planned: Planned): Promise<Hit> {
  switch (planned.target) {
    case "operator": {
      const index = await until(() => victims.replica(planned.role, station), PATIENCE_MS);
      return index === undefined ? undefined : victims.operator(index, planned);
    }
    case "agent":
      return victims.agent(station, planned);
    case "restic":
      return undefined;
    default:
      await until(() => !victims.controlPlaneBusy || undefined, PATIENCE_MS);
      return victims.server(planned.target, planned);
  }
}

/** At a request of whichever replica makes it first. */
function atRequest(
  scene: Scene,
  victims: Victims,
  station: Station,
  planned: Planned,
  point: Point & { kind: "request" },
): Promise<Hit> {
  return new Promise((resolve, reject) => {
    const rules: Rule[] = [];
    let met = false;
    const end = (hit: Hit) => {
      for (const rule of rules) rule.remove();
      resolve(hit);
    };
    const cancel = systemClock.after(PATIENCE_MS, () => met || end(undefined));
    for (const [index, proxy] of scene.proxies.entries()) {
      const moment = async (request: KubeRequest) => {
        if (met) return;
        met = true;
        cancel();
        const sender = stationOf(scene, request) ?? station;
        const hit = await strike(victims, index, sender, planned).catch(reject);
        end(hit ?? undefined);
        // What a dead replica asked for is not done, and what a dead API server has done is not heard of.
        const lost = planned.target === (point.moment === "before" ? "operator" : "api-server");
        if (hit && lost) throw new Error("the request ends here");
      };
      const match = (request: KubeRequest) => !met && matches(scene, request, point.step);
      rules.push(proxy.rule(match, point.moment === "before" ? { before: moment } : { after: moment }));
    }
  });
}

function strike(victims: Victims, sender: number, station: Station, planned: Planned): Promise<Hit> {
  switch (planned.target) {
    case "operator":
      return victims.operator(sender, planned);
    case "agent":
      return victims.agent(station, planned);
    default:
      return victims.server(planned.target as "api-server" | "etcd", planned);
  }
}

function matches(scene: Scene, request: KubeRequest, step: Step): boolean {
  const { verb, resource, subresource, name, query } = request;
  const status = (plural: string) => verb === "apply" && resource === plural && subresource === "status";
  switch (step) {
    case "session accept":
      return status("hosts") && query.get("fieldManager") === "holdfast-session";
    case "run create":
      return verb === "create" && resource === "backupruns";
    case "running write":
      return status("backupruns") && !hasEnded(scene, request);
    case "final status":
      return status("backupruns") && hasEnded(scene, request);
    case "restore status":
      return status("restores");
    case "policy status":
      return status("backuppolicies");
    case "event":
      return resource === "events" && verb === "create";
    case "leader renewal":
      return resource === "leases" && verb === "update" && name === "holdfast-operator";
    case "replica renewal":
      return resource === "leases" && verb === "update" && name !== "holdfast-operator";
  }
}

function runOf(scene: Scene, { name }: KubeRequest): BackupRun | undefined {
  return scene.history.live("backupruns").find((version) => version.name === name)?.object as BackupRun | undefined;
}

/** The host whose run a request speaks of. */
function stationOf(scene: Scene, request: KubeRequest): Station | undefined {
  const host = runOf(scene, request)?.spec.hostRef;
  return scene.stations.find(({ machine }) => machine.name === host);
}

/** Whether the last restic of the run has ended. */
function hasEnded(scene: Scene, request: KubeRequest): boolean {
  const run = runOf(scene, request);
  if (run === undefined) return false;
  const id = run.spec.runID ?? run.metadata.uid;
  return (
    stationOf(scene, request)
      ?.gate.starts()
      .findLast((start) => start.id === id)?.ended === true
  );
}

async function atRestic(
  victims: Victims,
  station: Station,
  planned: Planned,
  { moment }: Point & { kind: "restic" },
): Promise<Hit> {
  const { gate, machine } = station;
  if (moment === "during") return inTheMiddle(victims, station, planned);
  const held = await gate.hold(moment === "before" ? "before" : "after", AbortSignal.timeout(PATIENCE_MS));
  if (held === undefined) return undefined;
  try {
    if (planned.target === "restic") return victims.restic(station, held, planned.signal, planned.group);
    if (moment !== "recorded") return await victims.agent(station, planned);
    // Frozen, it cannot read the exit that the shim records.
    machine.agent.signal("SIGSTOP");
    held.release();
    const exit = `${machine.folder}/state/runs/run-${held.id}/attempt-${held.attempt}/${held.step}/exit`;
    await until(() => existsSync(exit) || undefined, PATIENCE_MS);
    return await victims.agent(station, planned);
  } finally {
    held.release();
  }
}

/** A restic may end before it is hit: then it is the next one's turn. */
async function inTheMiddle(victims: Victims, station: Station, planned: Planned): Promise<Hit> {
  const alive = ({ pid, ended }: Started) => !ended && startTime(pid) !== undefined;
  const deadline = systemClock.monotonic() + PATIENCE_MS;
  for (;;) {
    const found = await until(() => station.gate.starts().findLast(alive), deadline - systemClock.monotonic());
    if (found === undefined) return undefined;
    await systemClock.sleep(planned.downMs % LONGEST_INTO_MS);
    if (!alive(found)) continue;
    if (planned.target === "agent") return victims.agent(station, planned);
    const hit = victims.restic(station, found, planned.signal, planned.group);
    if (hit !== undefined) return hit;
  }
}

async function until<T>(probe: () => T | undefined, withinMs: number): Promise<T | undefined> {
  const deadline = systemClock.monotonic() + withinMs;
  for (;;) {
    const found = probe();
    if (found !== undefined || systemClock.monotonic() > deadline) return found;
    await systemClock.sleep(LOOK_MS);
  }
}
