import type { BackupPolicy } from "#crds/backuppolicy.ts";
import type { BackupRun } from "#crds/backuprun.ts";
import type { Host } from "#crds/host.ts";
import type { Restore } from "#crds/restore.ts";
import { isTerminal } from "#protocol/outcome.ts";
import { record } from "#protocol/record.ts";
import { BackupPolicies, BackupRuns, Hosts, Restores } from "../../operator/controllers/kinds.ts";
import { isTrue } from "../../operator/kube/conditions.ts";
import { HOST_KEY, type World } from "./world.ts";

/** What is still to be done; empty once everything has converged. */
export function restProblems(world: World): string[] {
  const { server, machine, disk, ledger, living } = world;
  const problems: string[] = [];
  const all = [...server.all(BackupRuns), ...server.all(Restores)] as (BackupRun | Restore)[];
  for (const one of all) {
    const { metadata, status } = one;
    if (!isTerminal(status?.phase) && !isLostLater(world, one))
      problems.push(`${metadata.name} is ${status?.phase ?? "Pending"} (${status?.reason})`);
  }
  // An acknowledgement that a broken disk did not take is repeated with the next one, or by the next session.
  const waiting = disk.outbox().filter((record) => !ledger.diskFailed || !ledger.isKept(record));
  for (const { name, phase } of waiting) problems.push(`${name} ${phase} waits in the outbox`);
  const queued = disk.database.prepare("SELECT name, state FROM runs WHERE state <> 'Done'").all();
  for (const { name, state } of queued) problems.push(`${name} is ${state} in the agent's journal`);

  const host = server.find(Hosts, HOST_KEY) as Host | undefined;
  const { config, session, conditions } = host?.status ?? {};
  const held = machine.agent?.core?.held();
  if (config?.desired === undefined || config.desired !== held?.id) {
    problems.push(`the agent holds ${held?.id?.slice(0, 8)}, meant for it is ${config?.desired?.slice(0, 8)}`);
  }
  if (config?.applied !== held?.id) problems.push(`the Host says the agent holds ${config?.applied?.slice(0, 8)}`);
  for (const type of ["Connected", "ConfigApplied"])
    if (!isTrue(conditions, type)) problems.push(`the Host is not ${type}`);
  if (isTrue(conditions, "IdentityConflict")) problems.push("the Host has an IdentityConflict");
  const live = living.flatMap(({ sessions }) => sessions.sockets().filter(({ state }) => state.phase === "live"));
  const [only] = live;
  if (live.length !== 1 || only?.state.epoch !== session?.epoch) {
    problems.push(`live sessions have epochs ${live.map(({ state }) => state.epoch)}, the Host says ${session?.epoch}`);
  }
  if (only !== undefined && only.state.queue.length > 0)
    problems.push(`${only.state.queue.length} records queue there`);
  if (machine.agent?.core?.identity().highestEpoch !== session?.epoch)
    problems.push("the agent's epoch is not the Host's");
  return problems;
}

/**
 * A run that a machine forgot when it was set back is Lost after its timeout and an hour: with its policy gone that is the
 * default timeout of a day, longer than the world rests.
 */
function isLostLater({ server, ledger }: World, { metadata, spec }: BackupRun | Restore): boolean {
  return (
    ledger.forgiven.has(metadata.uid) &&
    "policyRef" in spec &&
    server.find(BackupPolicies, `backups/${spec.policyRef}`) === undefined
  );
}

/** What the agents' journal and the repository know, against what Kubernetes says in the end. */
export function resultProblems({ server, disk, ledger, repository }: World): string[] {
  const problems: string[] = [];
  const { rejected } = ledger;
  for (const row of disk.database.prepare("SELECT record FROM runs WHERE state = 'Done'").all()) {
    const told = record.parse(JSON.parse(String(row["record"])));
    if (told.kind === "task" || rejected.has(told.uid) || ledger.forgiven.has(told.uid)) continue;
    const found = ledger.find(told);
    if (found === undefined) {
      const once = ledger.written(told.uid).size > 0 || ledger.deleted.has(told.uid);
      const policy =
        told.kind === "run" ? (server.find(BackupPolicies, `backups/${told.policy.name}`) as BackupPolicy) : undefined;
      const orphaned = told.kind === "run" && policy?.metadata.uid !== told.policy.uid;
      if (!once && !orphaned) problems.push(`${told.name} ended as ${told.phase} and Kubernetes never heard of it`);
      continue;
    }
    const { phase, reason, attempts } = found.status ?? {};
    if (phase !== told.phase || reason !== told.reason || attempts !== told.attempt) {
      problems.push(
        `${told.name} ended as ${told.phase} ${told.reason} in attempt ${told.attempt}, Kubernetes says ${phase} ${reason} in ${attempts}`,
      );
    }
  }
  const saved = new Map(repository.map(({ id, tags }) => [id, tags]));
  const subjectOf = (run: BackupRun) => run.spec.runID ?? run.metadata.uid;
  for (const run of server.all(BackupRuns) as BackupRun[]) {
    const tag = `run=${subjectOf(run)}`;
    const { phase, attempts, snapshots = [] } = run.status ?? {};
    for (const { id } of snapshots) {
      if (!saved.get(id)?.includes(tag))
        problems.push(`${run.metadata.name} names snapshot ${id.slice(0, 8)}, which is not its own`);
    }
    if (phase === "Succeeded" && snapshots.length === 0)
      problems.push(`${run.metadata.name} succeeded without a snapshot`);
    if (attempts === undefined || rejected.has(subjectOf(run)) || ledger.forgiven.has(subjectOf(run))) continue;
    const own = repository.filter(({ tags }) => tags.includes(tag));
    if (own.length > 1) problems.push(`${run.metadata.name} has ${own.length} snapshots`);
    if (own.length > 0 && snapshots.length === 0)
      problems.push(`${run.metadata.name} is ${phase} ${run.status?.reason} without the snapshot that it has saved`);
    if (own.some(({ partial }) => partial) && phase === "Succeeded")
      problems.push(`${run.metadata.name} succeeded though files could not be read`);
  }
  return problems;
}
