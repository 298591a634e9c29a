import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { openJournal } from "../state/journal.ts";
import { migrate } from "../state/schema.ts";
import type { Vault } from "../state/vault.ts";
import { adoptionOrder } from "./adoption.ts";

test("a run whose restic may be living goes on before one whose attempt never came to its restic", () => {
  const database = new DatabaseSync(":memory:");
  migrate(database);
  // No run here has secrets.
  const journal = openJournal(database, {} as Vault);
  for (const uid of ["never-began", "has-a-restic", "between-attempts", "queued"]) {
    journal.add({ uid, kind: "run", name: uid, policyUID: uid, created: 1, spec: {} });
    if (uid === "queued") continue;
    journal.begin(uid, 2);
    journal.beginAttempt(uid, 1, 2);
  }
  const process = { pid: 7, startTime: "7", bootID: "boot" };
  for (const uid of ["has-a-restic", "between-attempts"]) {
    journal.beginStep(uid, { attempt: 1, step: "backup", folder: `/${uid}`, process }, 3);
  }
  journal.endAttempt("between-attempts", 1, 4, { phase: "Failed", reason: "ResticFailed", message: "" });
  expect(adoptionOrder(journal, journal.unfinished()).map(({ uid }) => uid)).toEqual([
    "has-a-restic",
    "never-began",
    "between-attempts",
    "queued",
  ]);
});
