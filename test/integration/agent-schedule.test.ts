import { randomBytes } from "node:crypto";
import { mkdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Clock, systemClock } from "#base/clock.ts";
import type { PolicyPlan } from "#protocol/config.ts";
import { runID, runName } from "#protocol/names.ts";
import type { RunRecord } from "#protocol/record.ts";
import { type RestServer, startRestServer } from "../../hack/rest-server/rest-server.ts";
import {
  access,
  config,
  HOST,
  openAgent,
  policy,
  type TestAgent,
  taskCommand,
  temporaryFolder,
  until,
} from "./agent-world.ts";

/** Schedules on a clock whose wall time the test sets; everything else is real. */
let offset: number;
const clock: Clock = { ...systemClock, now: () => Date.now() + offset };
const MINUTE = 60_000;

let folder: ReturnType<typeof temporaryFolder>;
let source: string;
let server: RestServer;
let agent: TestAgent;
let id: string;

beforeEach(async () => {
  offset = 0;
  folder = temporaryFolder();
  source = `${folder.path}/source`;
  mkdirSync(source);
  writeFileSync(`${source}/a`, "one");
  server = await startRestServer({ plain: true, directory: `${folder.path}/repositories` });
  agent = await openAgent(folder.path, { clock });
  id = (await agent.task(taskCommand(access(`${server.url}main/`), true))).repositoryID!;
});

afterEach(async () => {
  await agent.close();
  await server.stop();
  await folder.remove();
});

const everyMinute = { cron: "* * * * *", timeZone: "Europe/Berlin", jitterMs: 0, suspend: false };
function apply(change: Partial<PolicyPlan>, paused = false): void {
  const repository = access(`${server.url}main/`, { repositoryID: id });
  const answer = agent.core.applyConfig(
    config([policy([source], change)], [repository], { host: { ...HOST, paused, limits: {} } }),
  );
  expect(answer).toHaveProperty("applied");
}
/** Sets the wall clock to shortly before the next full minute, which is returned. */
function beforeTheMinute(): number {
  const minute = Math.ceil((clock.now() + 1000) / MINUTE) * MINUTE;
  offset += minute - 1000 - clock.now();
  return minute;
}
const records = () =>
  agent.core.outbox.pending(0, 1000).flatMap(({ record }) => (record.kind === "run" ? [record] : []));
const ended = (phase: RunRecord["phase"], count = 1) =>
  until(`${count} runs ${phase}`, () => {
    const found = records().filter((record) => record.phase === phase);
    return found.length >= count ? found : undefined;
  });

describe("a schedule", () => {
  test("fires from the agent's own disk, under the name and id that operator and agent both know", async () => {
    const slot = beforeTheMinute();
    apply({ schedule: everyMinute });
    const [record] = await ended("Succeeded");
    const scheduledTime = new Date(slot).toISOString().replace(".000Z", "Z");
    const occasion = { policyUID: "policy-uid-1", hostUID: HOST.uid, occasion: scheduledTime };
    expect(record).toMatchObject({
      uid: runID(occasion),
      name: runName("nightly", HOST.name, occasion),
      trigger: "Schedule",
      scheduledTime,
      nextScheduleTime: new Date(slot + MINUTE).toISOString(),
      snapshots: [{ totalFiles: 1 }],
    });
  });

  test("never runs a policy twice at once: the slot is Skipped and names the run in the way", async () => {
    writeFileSync(`${source}/large`, randomBytes(5 * 1024 * 1024));
    beforeTheMinute();
    apply({ schedule: everyMinute, limits: { uploadKiBps: 400 } });
    const [inTheWay] = await until("the first run is under way", () => {
      const running = agent.progress.filter(({ progress }) => (progress?.bytesDone ?? 0) > 0);
      return running.length > 0 ? running : undefined;
    });
    beforeTheMinute();
    // The clock was set by hand: the agent looks at it every 30 s at the latest, or when its configuration changes.
    apply({ schedule: everyMinute, limits: { uploadKiBps: 400 } });
    const [skipped] = await ended("Skipped");
    expect(skipped).toMatchObject({ reason: "Overlap", attempt: 0, snapshots: [] });
    expect(skipped!.message).toContain(inTheWay!.name);
    // A scheduled run has a record of its own only once it has lasted ten seconds.
    const [running] = await ended("Running");
    expect(running).toMatchObject({ name: inTheWay!.name, trigger: "Schedule", snapshots: [] });
    expect(await ended("Succeeded")).toHaveLength(1);
  });

  test.each([
    ["suspended", { ...everyMinute, suspend: true }, false],
    ["on a paused host", everyMinute, true],
  ])("that is %s makes no run and no record, and no slot of that time is caught up", async (_, schedule, paused) => {
    const slot = beforeTheMinute();
    apply({ schedule }, paused);
    await until("the slot is over", () => clock.now() > slot + 500);
    expect(records()).toEqual([]);
    apply({ schedule: everyMinute });
    await until("the agent has looked", () => clock.now() > slot + 1_500);
    expect(records()).toEqual([]);
  });

  test("changed within its minute does not fire for the slot before the change", async () => {
    apply({ schedule: { ...everyMinute, cron: "* * * * *" } });
    apply({ schedule: { ...everyMinute, timeZone: "UTC" } });
    expect(agent.core.active()).toEqual([]);
    expect(records()).toEqual([]);
  });
});

describe("after a downtime", () => {
  const hourly = { cron: "0 * * * *", timeZone: "UTC", jitterMs: 0, suspend: false };
  async function restartAfter(downtimeMs: number): Promise<void> {
    await agent.close();
    offset += downtimeMs;
    agent = await openAgent(folder.path, { clock });
  }
  /** A wall clock of 30 minutes past an hour. */
  function halfPast(): void {
    const hour = Math.ceil(clock.now() / 3_600_000) * 3_600_000;
    offset += hour + 30 * MINUTE - clock.now();
  }

  test("of five hours one run is caught up, that of the newest slot", async () => {
    halfPast();
    apply({ schedule: hourly });
    await restartAfter(5 * 3_600_000 + 10 * MINUTE);
    // Its place in the spread of six minutes is its host's own.
    offset += 6 * MINUTE;
    apply({ schedule: hourly });
    const [record] = await ended("Succeeded");
    expect(record).toMatchObject({ trigger: "CatchUp" });
    const newest = Math.floor(clock.now() / 3_600_000) * 3_600_000;
    expect(record!.scheduledTime).toBe(new Date(newest).toISOString().replace(".000Z", "Z"));
    expect(records()).toHaveLength(1);
  });

  test("nothing is caught up past the startingDeadline", async () => {
    halfPast();
    apply({ schedule: { ...hourly, startingDeadlineMs: 10 * MINUTE } });
    await restartAfter(5 * 3_600_000);
    offset += 6 * MINUTE;
    apply({ schedule: { ...hourly, startingDeadlineMs: 10 * MINUTE } });
    expect(agent.core.active()).toEqual([]);
    expect(records()).toEqual([]);
  });

  test("with a damaged database and no operator the schedule goes on", async () => {
    apply({ schedule: everyMinute });
    await agent.close();
    rmSync(`${folder.path}/state/agent.db-wal`, { force: true });
    truncateSync(`${folder.path}/state/agent.db`, 5_000);
    beforeTheMinute();
    agent = await openAgent(folder.path, { clock });
    expect(agent.core.held().policies).toEqual(["policy-uid-1"]);
    expect(await ended("Succeeded")).toHaveLength(1);
  });
});

test("a clock that was a year ahead for a while does not silence a schedule", async () => {
  const year = 365 * 24 * 3_600_000;
  offset += year;
  beforeTheMinute();
  apply({ schedule: everyMinute });
  await ended("Succeeded");
  offset -= year;
  beforeTheMinute();
  apply({ schedule: everyMinute });
  expect(await ended("Succeeded", 2)).toHaveLength(2);
});
