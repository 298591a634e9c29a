import { expect, inject, test } from "vitest";
import { attach } from "../../cluster/cluster.ts";
import { benchAgents } from "./bench.ts";

test("the benchmark of a fleet runs to its end with twenty agents and counts what they cost", async () => {
  const cluster = attach(inject("clusterDirectory"));
  const phases = await benchAgents({
    cluster,
    agents: 20,
    batch: 3,
    idleMs: 100,
    settleMs: 0,
    link: { firstDelayMs: 100, maxDelayMs: 1_000 },
    report: () => {},
  });
  const of = new Map(phases.map((phase) => [phase.name, phase]));
  expect([...of.keys()]).toEqual([
    "connect all",
    "idle",
    "first configuration of all",
    "configuration change for all",
    "manual run on 3 hosts",
    "kill -9, start, reconnect of all",
  ]);
  expect(of.get("connect all")?.writes).toBeGreaterThanOrEqual(20);
  expect(of.get("configuration change for all")).toMatchObject({ configs: 20 });
  expect(of.get("manual run on 3 hosts")?.writesBy).toContain("create backupruns 3");
  for (const { after } of phases) for (const figure of Object.values(after)) expect(figure).toBeGreaterThan(0);
}, 300_000);
