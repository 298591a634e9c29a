import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "#base/clock.ts";
import { messageOf } from "#base/errors.ts";
import type { Host } from "#crds/host.ts";
import { isTerminal } from "#protocol/outcome.ts";
import type { Lease } from "../../operator/kube/resource.ts";
import { processesUsing } from "../stage/process.ts";
import { until } from "../stage/until.ts";
import { readAgentState } from "./agent-state.ts";
import { identityOf, type Scene, type Station } from "./scene.ts";

/** A leader that was killed is replaced after 15 s, and an agent waits for two seconds at most before it dials again. */
const QUIET_WITHIN_MS = 300_000;
const LOOK_MS = 250;

/** Waits until nothing is under way any more; returns what still is when that takes too long. */
export async function quiet(scene: Scene): Promise<string[]> {
  const deadline = systemClock.monotonic() + QUIET_WITHIN_MS;
  for (;;) {
    const left = await underWay(scene).catch((error: unknown) => [messageOf(error)]);
    if (left.length === 0 || systemClock.monotonic() > deadline) return left;
    await systemClock.sleep(LOOK_MS);
  }
}

/** What has not ended or is not in its place. */
export async function underWay(scene: Scene): Promise<string[]> {
  const { history, stage, stations } = scene;
  await history.caughtUp();
  const identities = stage.replicas.map((_, index) => identityOf(stage, index));
  const leader = history.live("leases").find(({ name }) => name === "holdfast-operator")?.object as Lease | undefined;
  const leads = identities.includes(leader?.spec?.holderIdentity) ? [] : ["nobody leads"];
  const running = [...history.live("backupruns"), ...history.live("restores")].filter(
    ({ object }) => !isTerminal((object?.status as { phase?: string } | undefined)?.phase),
  );
  return [
    ...leads,
    ...running.map(({ plural, name }) => `${plural}/${name} has not ended`),
    ...stations.flatMap((station) => busy(scene, station, identities)),
  ];
}

function busy({ history }: Scene, { machine }: Station, identities: readonly (string | undefined)[]): string[] {
  const { name, agent, folder } = machine;
  const { unfinished, waiting } = readAgentState(machine);
  const host = history.live("hosts").find((version) => version.name === name)?.object as Host | undefined;
  const { session, conditions = [] } = host?.status ?? {};
  const connected = conditions.some(({ type, status }) => type === "Connected" && status === "True");
  const restics = processesUsing(folder).filter((pid) => pid !== agent.pid);
  return [
    ...(unfinished.length > 0 ? [`${name} works on ${unfinished.join(", ")}`] : []),
    ...(waiting > 0 ? [`${name} has ${waiting} records nobody has acknowledged`] : []),
    ...(connected && identities.includes(session?.replica) ? [] : [`${name} is not connected to a living replica`]),
    ...(restics.length > 0 ? [`${name} has processes ${restics.join(", ")}`] : []),
  ];
}

/** What lies about on a stage where nothing is under way. */
export function leftovers({ stage, stations }: Scene, known: ReadonlySet<string>): string[] {
  return [
    ...readdirSync(stage.directory)
      .filter((entry) => !known.has(entry))
      .map((entry) => `${entry} in the operators' TMPDIR`),
    ...stations.flatMap(({ machine }) => {
      const { name, folder } = machine;
      const { rejected, ended } = readAgentState(machine);
      const attempts = ended.flatMap((id) => entries(join(folder, "state/runs", `run-${id}`))).filter(isAttempt);
      return [
        ...(rejected > 0 ? [`${name}: ${rejected} records the operator refused`] : []),
        ...entries(join(folder, "run")).map((entry) => `${name}: ${entry} with secrets in the runtime folder`),
        ...entries(join(folder, "cache/tmp")).map((entry) => `${name}: ${entry} in restic's TMPDIR`),
        ...attempts.map((entry) => `${name}: ${entry} of a run that has ended`),
      ];
    }),
  ];
}

/** A killed replica's Lease runs out after 30 s, and the leader looks every 10 s, after 30 s of hearing of Leases. */
const BURIED_WITHIN_S = 120;

/** Leases of replicas that are gone and that no leader has removed in time, and Secrets that were not there before. */
export async function orphans({ stage, history }: Scene, secrets: ReadonlySet<string>): Promise<string[]> {
  const living = new Set(["holdfast-operator", ...stage.replicas.map((_, index) => identityOf(stage, index))]);
  const dead = () => history.live("leases").filter(({ name }) => name.startsWith("operator-") && !living.has(name));
  await until("the Leases of dead replicas are gone", BURIED_WITHIN_S, async () => dead().length === 0).catch(() => {});
  return [
    ...dead().map(({ name }) => `Lease ${name} of a dead replica`),
    ...(await secretsOf(stage)).filter((secret) => !secrets.has(secret)).map((secret) => `${secret} is new`),
  ];
}

export async function secretsOf(stage: Scene["stage"]): Promise<string[]> {
  const both = await Promise.all(
    [stage.namespace, stage.system].map((namespace) =>
      stage.kubectl(["--namespace", namespace, "get", "secrets", "--output=name"]),
    ),
  );
  return both.join("").trim().split("\n");
}

function isAttempt(entry: string): boolean {
  return entry.startsWith("attempt-");
}

function entries(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}
