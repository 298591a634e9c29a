(globalThis as any).n = 0;

import { between } from "#base/random.ts";
import { run } from "./wire-memory-core.ts";
import { World } from "./wire-world.ts";

const SEEDS = Number(process.env["HOLDFAST_WIRE_SEEDS"] ?? 300);
const FAULTY_MS = 2 * 3_600_000;
const QUIET_MS = 3_600_000;

/** Two hours of faults, one hour of rest; returns what does not hold. */
function history(seed: number): string[] {
  const world = new World(seed);
  const { core, cluster } = world;
  const wrong: string[] = [];
  const added: string[] = [];
  const commands: string[] = [];

  core.onAcked = ({ record }) => {
    const phases = cluster.written.get(record.uid) ?? [];
    if (!phases.includes(record.phase as "Running") && !phases.includes("Succeeded")) {
      wrong.push(`${record.uid} ${record.phase} was forgotten before it was written`);
    }
  };

  const often = (from: number, to: number, act: () => void) => {
    const next = () =>
      world.at(between(world.random, from, to), () => {
        if (!world.faults) return;
        act();
        next();
      });
    next();
  };
  often(10_000, 300_000, () => world.cut());
  often(60_000, 1_800_000, () => world.killReplica());
  often(60_000, 1_800_000, () => world.drainReplica());
  often(60_000, 1_800_000, () => world.restartAgent());
  often(300_000, 1_800_000, () => {
    cluster.slowUntil = world.now + between(world.random, 10_000, 600_000);
  });
  often(1_000, 60_000, () => {
    const uid = `scheduled-${added.length}`;
    added.push(uid);
    core.add(run(uid, "Succeeded"));
  });
  often(5_000, 300_000, () => {
    const id = `manual-${commands.length}`;
    commands.push(id);
    cluster.pending.add(id);
    world.refresh();
  });
  often(10_000, 600_000, () => {
    const policies = ["a", "b", "c", "d"].filter(() => world.chance(0.5));
    cluster.wanted = { version: cluster.wanted.version + 1, policies };
    world.refresh();
  });
  const finish = () =>
    world.at(between(world.random, 100, 20_000), () => {
      for (const uid of core.running()) if (world.chance(0.5)) core.add(run(uid, "Succeeded"));
      finish();
    });
  finish();

  world.run(FAULTY_MS);
  world.faults = false;
  world.run(FAULTY_MS + QUIET_MS);

  for (const uid of [...added, ...commands]) {
    const phases = cluster.written.get(uid) ?? [];
    if (phases.at(-1) !== "Succeeded") wrong.push(`${uid} was lost: ${phases.join(",") || "nothing written"}`);
    if (phases.filter((phase) => phase === "Succeeded").length > 1) wrong.push(`${uid} ended twice`);
  }
  for (const id of commands)
    if (core.executed.get(id) !== 1) wrong.push(`${id} ran ${core.executed.get(id) ?? 0} times`);
  if (core.entries.length > 0) wrong.push(`${core.entries.length} records left in the outbox`);
  for (const [name, epochs] of [
    ["stored", cluster.epochs],
    ["agent's", core.epochs],
  ] as const) {
    if (epochs.some((epoch, index) => index > 0 && epoch <= epochs[index - 1]!))
      wrong.push(`${name} epochs do not rise`);
  }
  const strange = cluster.verdicts.filter((verdict) => verdict !== "expected");
  if (strange.length > 0) wrong.push(`an honest agent was taken for a ${strange[0]} (${strange.length} times)`);
  const live = [...world.sessions].filter((session) => session.state.phase === "live");
  if (live.length !== 1) wrong.push(`${live.length} live sessions at rest`);
  if (live[0] && live[0].state.epoch !== cluster.epoch) wrong.push("the live session is not the newest");
  if (core.held().id !== cluster.wanted.version.toString(16).padStart(64, "0"))
    wrong.push("the agent holds an old configuration");
  if (cluster.facts?.applied !== core.held().id)
    wrong.push("the Host tells another configuration than the agent holds");
  if (core.me.highestEpoch !== cluster.epoch) wrong.push("the agent's disk does not hold the newest epoch");
  if (cluster.epochs.length < 5) wrong.push("hardly any session: the history shows nothing");
  return wrong.map((sentence) => `seed ${seed}: ${sentence}`);
}

for (let seed = Number(process.argv[2]); seed <= Number(process.argv[3]); seed++) { process.stdout.write(seed+" "); const w = history(seed); if (w.length) console.log(w.slice(0,3)); }
