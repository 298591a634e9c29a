import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import type { BackupRun } from "#crds/backuprun.ts";
import type { Condition } from "#crds/meta.ts";
import { until } from "../../hack/stage/until.ts";
import { create, ended, enrolled, logsOnFailure, ready, testStage } from "../stage.ts";
import { corpus, type Entry, type Manifest } from "./corpus.ts";

/** Of it, 5 s are the operator's own grace for what may still be created. */
const PATIENCE_SECONDS = 90;
const stage = testStage();
const entries = corpus("answered").flatMap(({ entries }) => entries);
const expected = entries.filter(({ answered }) => answered !== undefined);
let snapshot: string;
let conditions: ReadonlyMap<string, readonly Condition[]>;

beforeAll(async () => {
  await stage().applyQuickstart();
  const machine = await enrolled(stage(), "web-1");
  mkdirSync(join(machine.root, "srv/www"), { recursive: true });
  writeFileSync(join(machine.root, "srv/www/page.html"), "hello");
  await ready(stage(), "repository/offsite", "backuppolicy/www");
  await create(stage(), "BackupRun", "first", { policyRef: "www", hostRef: "web-1" });
  const { status } = await ended<BackupRun>(stage(), "backuprun", "first");
  snapshot = status?.snapshots?.[0]?.id.slice(0, 8) ?? "none";
});

beforeAll(async () => {
  await stage().apply(entries.map(({ manifest }) => JSON.stringify(manifest)).join("\n---\n"));
  // What has no answer by then fails in the test of its own.
  await until("all is answered", PATIENCE_SECONDS, async () => {
    conditions = await standing();
    return expected.every((entry) => found(entry) === entry.answered) || undefined;
  }).catch(() => undefined);
});

describe("the operator answers in the words that stand above", () => {
  test.each(expected)("$title", (entry) => {
    logsOnFailure(stage());
    expect(found(entry)).toBe(entry.answered);
  });
});

/** The conditions of all resources, by kind and name. */
async function standing(): Promise<Map<string, Condition[]>> {
  const kinds = "repositories,backuppolicies,backupruns,restores,enrollmenttokens,hosts";
  const { items } = await stage().get<{ items: (Manifest & { status?: { conditions?: Condition[] } })[] }>(kinds);
  return new Map(items.map((one) => [keyOf(one), one.status?.conditions ?? []]));
}

/** The condition an entry is about, as it writes them. */
function found({ manifest, answered = "" }: Entry): string | undefined {
  const type = answered.split("=")[0];
  const condition = conditions.get(keyOf(manifest))?.find((one) => one.type === type);
  if (condition === undefined) return undefined;
  const { status, reason, message } = condition;
  const shown = message.replaceAll(stage().namespace, "NAMESPACE").replaceAll(snapshot, "SNAPSHOT");
  return `${type}=${status} ${reason}: ${shown}`;
}

function keyOf({ kind, metadata }: Manifest): string {
  return `${kind}/${metadata.name}`;
}
