import { describe, expect, test } from "vitest";
import { ManualClock } from "#base/manual-clock.ts";
import { systemRandom } from "#base/random.ts";
import type { TaskRecord } from "#protocol/record.ts";
import type { Caches } from "../controllers/caches.ts";
import { repositoryOf } from "../controllers/fixtures.ts";
import type { Client } from "../kube/client.ts";
import type { Log } from "../kube/log.ts";
import { resultOf, TaskRecords } from "./task-records.ts";

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

describe("an agent that says ever more of a task costs a few writes, and then one in ten seconds:", () => {
  const initializer = { hostRef: "web-1", hostUID: "web-1-uid" };
  const repository = repositoryOf("offsite", { status: { initializer } });
  const host = { namespace: repository.metadata.namespace ?? "", name: "web-1", uid: "web-1-uid" };
  const frame = { type: "progress", kind: "task", uid: "c", name: "offsite", attempt: 1, phase: "Running" } as const;
  const { signal } = new AbortController();

  test.each<[string, (tasks: TaskRecords, index: number) => unknown]>([
    [
      "another reason with each report",
      (tasks, index) => tasks.progress(host, { ...frame, reason: `Reason${index}`, message: "" }),
    ],
    [
      "that it refuses it",
      (tasks, index) => tasks.refused(host, repository, "c", `no, for the ${index}th time`, signal),
    ],
  ])("%s", async (_, say) => {
    const caches = { repositories: { get: () => repository, onChange: () => () => {} } } as unknown as Caches;
    const clock = new ManualClock(NOW);
    let writes = 0;
    const client = { apply: async () => ++writes } as unknown as Client;
    const tries = { tried: () => undefined, ended: () => {} };
    const tasks = new TaskRecords({ client, caches, tries, clock, random: systemRandom, log: {} as Log });
    for (let index = 0; index < 1000; index++) await say(tasks, index);
    expect(writes).toBe(5);
    await clock.advance(10_000);
    for (let index = 0; index < 1000; index++) await say(tasks, index);
    expect(writes).toBe(6);
  });
});
