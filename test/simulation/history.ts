import { between } from "#base/random.ts";
import type { BackupPolicy } from "#crds/backuppolicy.ts";
import type { BackupRun } from "#crds/backuprun.ts";
import type { Host } from "#crds/host.ts";
import type { Restore } from "#crds/restore.ts";
import { isTerminal } from "#protocol/outcome.ts";
import { BackupPolicies, BackupRuns, Hosts, Restores } from "../../operator/controllers/kinds.ts";
import { keyOf } from "../../operator/kube/resource.ts";
import { FAIR } from "./api-client.ts";
import { faultsOf } from "./faults.ts";
import { restProblems, resultProblems } from "./rest.ts";
import { HOST_KEY, NAMESPACE, World } from "./world.ts";

/** Something stuck for good shows long before; what is only slow (a run lost with its machine, and its clock ahead) takes over two hours. */
const LONGEST_QUIET_MS = 3 * 3_600_000;
/** What is at rest stays so. */
const STAYS_MS = 65_000;
/** API requests that an idle cluster may cost in STAYS_MS: Secrets are read again, summaries made. */
const IDLE_REQUESTS = 12;

export interface Outcome {
  readonly seed: number;
  readonly wrong: readonly string[];
  readonly events: number;
  /** How long the faults went on and what followed until it was at rest, in virtual ms. */
  readonly faultyMs: number;
  readonly quietMs: number;
  /** What the history was made of, so that a test can see that it showed something. */
  readonly counts: {
    readonly runs: number;
    readonly sessions: number;
    readonly agents: number;
    readonly restics: number;
  };
}

/** One history: some minutes of work under the faults that the seed chooses, then rest. The same seed is the same history. */
export async function history(seed: number, tell?: (line: string) => void): Promise<Outcome> {
  const world = new World(seed, tell);
  const { ledger, timeline, random } = world;
  const faultyMs = between(random, 10_000, world.chance(0.01) ? 1_200_000 : 60_000);
  let quietMs = 0;
  current.ledger = ledger;
  try {
    await world.begin(1 + Math.floor(random.next() * 3), Math.floor(random.next() * 3));
    work(world, faultyMs);
    const heal = faultsOf(world, faultyMs);
    world.slots.watch(faultyMs);
    await timeline.run(faultyMs);
    heal();
    calm(world);
    quietMs = await rest(world, faultyMs, world.chance(0.1));
    for (const problem of resultProblems(world)) ledger.fail(problem);
  } catch (error) {
    ledger.fail(`the simulation itself ended by ${error instanceof Error ? error.stack : String(error)}`);
  }
  const host = world.server.find(Hosts, HOST_KEY) as Host | undefined;
  const counts = {
    runs: world.server.all(BackupRuns).length,
    sessions: host?.status?.session?.epoch ?? 0,
    agents: world.machine.starts,
    restics: world.repository.length,
  };
  world.end();
  return { seed, wrong: ledger.wrong, events: timeline.count, faultyMs, quietMs, counts };
}

/** The ledger of the history that runs; for what ends a promise of it that nobody waits for. */
export const current: { ledger: { fail(what: string): void } | undefined } = { ledger: undefined };

/** What people do meanwhile. */
function work(world: World, untilMs: number): void {
  const { server, random, timeline } = world;
  let made = 0;
  const pick = <T>(from: readonly T[]): T | undefined => from[Math.floor(random.next() * from.length)];
  const unfinished = <T extends BackupRun | Restore>(all: readonly unknown[]) =>
    (all as T[]).filter(({ status }) => !isTerminal(status?.phase));
  const often = (everyMs: number, act: () => void) => {
    const next = () =>
      timeline.at(between(random, 0.2 * everyMs, 1.8 * everyMs), () => {
        if (timeline.now >= untilMs) return;
        act();
        next();
      });
    next();
  };
  often(between(random, 3_000, 15_000), () => {
    const startingDeadlineSeconds = world.chance(0.3) ? Math.round(between(random, 1, 120)) : 600;
    const spec = { policyRef: world.chance(0.5) ? "db" : "www", hostRef: "web-1", startingDeadlineSeconds };
    // A name may come again once what had it is gone.
    const name = `manual-${world.chance(0.1) ? made : ++made}`;
    if (server.find(BackupRuns, `${NAMESPACE}/${name}`) !== undefined) return;
    server.create(BackupRuns, { metadata: { namespace: NAMESPACE, name }, spec: { trigger: "Manual", ...spec } });
  });
  often(between(random, 10_000, 60_000), () => {
    const source = { kind: "Repository", repository: "offsite", policy: "www" };
    const target = { hostRef: "web-1", path: "/restore/to" };
    const spec = { source, target, startingDeadlineSeconds: 600, timeout: "10m" };
    server.create(Restores, { metadata: { namespace: NAMESPACE, name: `restore-${++made}` }, spec });
  });
  often(between(random, 2_000, 20_000), () => {
    const run = pick(unfinished<BackupRun>(server.all(BackupRuns)));
    if (run) server.edit(BackupRuns, keyOf(run), { spec: { cancel: true } });
  });
  often(90_000, () => {
    const restore = pick(unfinished<Restore>(server.all(Restores)));
    if (restore) server.edit(Restores, keyOf(restore), { spec: { cancel: true } });
  });
  often(90_000, () => {
    const run = pick(server.all(BackupRuns));
    if (run) server.delete(BackupRuns, keyOf(run));
  });
  often(60_000, () => server.edit(BackupPolicies, `${NAMESPACE}/db`, { spec: { tags: [`tag-${++made}`] } }));
  often(80_000, () => {
    const annotations = { "holdfast.dev/run-requested-at": new Date(world.now()).toISOString() };
    server.edit(BackupPolicies, `${NAMESPACE}/www`, { annotations });
  });
  often(100_000, () => {
    const schedule = pick(["*/5 * * * *", "* * * * *"]);
    server.edit(BackupPolicies, `${NAMESPACE}/www`, { spec: { schedule, suspend: world.chance(0.3) } });
  });
  often(200_000, () => {
    const found = server.find(BackupPolicies, `${NAMESPACE}/db`) as BackupPolicy | undefined;
    if (found === undefined) world.createPolicy("db", 1, undefined);
    else world.deletePolicy(found);
  });
}

/** No more slots: what is there comes to its end. */
function calm(world: World): void {
  const { server } = world;
  Object.assign(world.weather, FAIR);
  for (const policy of server.all(BackupPolicies)) {
    server.edit(BackupPolicies, keyOf(policy), { spec: { suspend: true } });
  }
}

/** Lets time go by until nothing is left to do (and, to look twice, a little more); how long it took. */
async function rest(world: World, beganMs: number, lookTwice: boolean): Promise<number> {
  const { timeline, ledger } = world;
  let problems = ["it has not begun"];
  for (let step = 5_000; timeline.now - beganMs < LONGEST_QUIET_MS; step = Math.min(step * 1.5, 300_000)) {
    await timeline.run(timeline.now + step);
    if (ledger.wrong.length > 0) return timeline.now - beganMs;
    problems = restProblems(world);
    if (problems.length > 0) continue;
    const quietMs = timeline.now - beganMs;
    if (!lookTwice) return quietMs;
    const before = world.requests;
    await timeline.run(timeline.now + STAYS_MS);
    problems = restProblems(world);
    if (problems.length > 0) continue;
    const requests = world.requests - before;
    if (requests > IDLE_REQUESTS) {
      problems = [`${requests} requests in ${STAYS_MS / 1000} s of rest`];
      continue;
    }
    return quietMs;
  }
  for (const problem of problems) ledger.fail(`after ${LONGEST_QUIET_MS / 60_000} min of rest: ${problem}`);
  return LONGEST_QUIET_MS;
}
