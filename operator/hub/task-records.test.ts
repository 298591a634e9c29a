import { expect, test } from "vitest";
import type { TaskRecord } from "#protocol/record.ts";
import { resultOf } from "./task-records.ts";

const NOW = Date.parse("2026-11-21T12:00:00Z");
const id = "a".repeat(64);
const other = "b".repeat(64);

function record(more: Partial<TaskRecord>): TaskRecord {
  const rest = { uid: "c", name: "offsite", attempt: 1, reason: "Completed", message: "opened", repositoryUID: "r" };
  return { kind: "task", action: "Init", phase: "Succeeded", ...rest, ...more };
}

test.each([
  [
    "a repository that was opened succeeded",
    record({ repositoryID: id, created: true }),
    undefined,
    { phase: "Succeeded", created: true },
  ],
  ["the pinned one succeeded", record({ repositoryID: id }), id, { phase: "Succeeded" }],
  [
    "another one than the pinned failed, however well it opened",
    record({ repositoryID: other }),
    id,
    { phase: "Failed", reason: "RepositoryMismatch" },
  ],
  ["an agent that does not say the id failed", record({}), undefined, { phase: "Failed", reason: "AgentError" }],
  [
    "a wrong password failed in the agent's words",
    record({ phase: "Failed", reason: "WrongPassword", message: "wrong password" }),
    undefined,
    { phase: "Failed", reason: "WrongPassword", message: "wrong password" },
  ],
])("%s", (_, given, pinned, want) => expect(resultOf(given, pinned, NOW)).toMatchObject(want));
