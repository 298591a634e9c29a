import type { BackupRun } from "#crds/backuprun.ts";
import type { Restore } from "#crds/restore.ts";
import { isTerminal, type Phase } from "#protocol/outcome.ts";
import type { History, Version, Violation } from "./history.ts";

/** All versions of one BackupRun or Restore, by its UID. */
export interface Life {
  readonly plural: string;
  readonly name: string;
  readonly states: readonly (BackupRun | Restore)[];
  readonly last: BackupRun | Restore;
  /** As its snapshot and its restics know it. */
  readonly id: string;
}

/** In the order of a life; what has ended does not go on, and what runs is not queued again. */
const RANK: { readonly [phase in Phase]: number } = {
  Pending: 0,
  Queued: 1,
  Running: 2,
  Unknown: 2,
  Succeeded: 3,
  PartiallyFailed: 3,
  Failed: 3,
  Cancelled: 3,
  Skipped: 3,
};

export function livesOf(versions: readonly Version[]): Life[] {
  const present = versions.filter(({ plural, object }) => object && (plural === "backupruns" || plural === "restores"));
  return [...Map.groupBy(present, ({ object }) => object!.metadata.uid).values()].map((of) => {
    const states = of.map(({ object }) => object as unknown as BackupRun | Restore);
    const last = states.at(-1)!;
    const id = ("runID" in last.spec ? last.spec.runID : undefined) ?? last.metadata.uid;
    return { plural: of[0]!.plural, name: of[0]!.name, states, last, id };
  });
}

/** Everything that was asked for, or fell due, is there once, ends once, and its end stands. */
export function checkLives({ versions, asked, slots }: History): Violation[] {
  const lives = livesOf(versions);
  const byName = Map.groupBy(lives, ({ plural, name }) => `${plural}/${name}`);
  const due = [...slots.due].map((name) => `backupruns/${name}`);
  const wanted = new Set([...asked, ...due]);
  const missing = [...wanted].filter((subject) => !byName.has(subject));
  const doubled = [...byName].filter(([, of]) => of.length > 1);
  const stray = lives.filter(
    ({ plural, name }) => !wanted.has(`${plural}/${name}`) && !(plural === "backupruns" && slots.possible.has(name)),
  );
  return [
    ...missing.map((subject) => ({ rule: "lost", subject, message: "was asked for or fell due, and never appeared" })),
    ...doubled.map(([subject, of]) => ({ rule: "doubled", subject, message: `was there ${of.length} times` })),
    ...stray.map((life) => violation("stray", life, "nobody asked for it, and no slot was due")),
    ...lives.flatMap(checkLife),
  ];
}

function checkLife(life: Life): Violation[] {
  const found: Violation[] = [];
  for (const [index, state] of life.states.entries()) {
    const before = life.states[index - 1]?.status ?? {};
    const now = state.status ?? {};
    const [from, to] = [before.phase ?? "Pending", now.phase ?? "Pending"];
    const at = `at revision ${state.metadata.resourceVersion}`;
    if (isTerminal(from)) {
      if (result(before) !== result(now))
        found.push(violation("terminal-changed", life, `${result(before)} became ${result(now)} ${at}`));
      continue;
    }
    if (RANK[to] < RANK[from]) found.push(violation("backwards", life, `${from} became ${to} ${at}`));
    if ((now.attempts ?? 0) < (before.attempts ?? 0))
      found.push(violation("backwards", life, `attempt ${before.attempts} became ${now.attempts ?? 0} ${at}`));
    if (before.startTime !== undefined && before.startTime !== now.startTime)
      found.push(violation("backwards", life, `startTime ${before.startTime} became ${now.startTime} ${at}`));
  }
  if (!isTerminal(life.last.status?.phase))
    found.push(violation("no-result", life, `its last phase is ${life.last.status?.phase ?? "none"}`));
  return found;
}

function result(status: NonNullable<BackupRun["status"] | Restore["status"]>): string {
  const { phase, reason, attempts, completionTime, exitCode } = status;
  const snapshots = "snapshots" in status ? status.snapshots?.map(({ id }) => id) : undefined;
  return JSON.stringify({ phase, reason, attempts, completionTime, exitCode, snapshots });
}

export function violation(rule: string, { plural, name }: Pick<Life, "plural" | "name">, message: string): Violation {
  return { rule, subject: `${plural}/${name}`, message };
}
