import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, expect, onTestFinished, test } from "vitest";
import { systemClock } from "#base/clock.ts";
import { LEADER_TIMING, LeaderElector } from "../../operator/kube/leader.ts";
import { Leases } from "../../operator/kube/resource.ts";
import { testNamespace } from "../namespace.ts";
import { type KubeParts, kubeParts } from "./kube-parts.ts";
import { KubeProxy } from "./kube-proxy.ts";

const { cluster, namespace } = testNamespace();
const WAIT = { timeout: 30_000, interval: 10 };
const SHORT = { leaseMs: 4000, renewDeadlineMs: 3000, retryMs: 300 };
const admin = await kubeParts(cluster.kubeconfig);
afterAll(() => admin.client.close());

const lease = (name: string) => admin.client.get(Leases, { namespace, name });

/** A candidate in this process. `history` is shared, so that it shows who came before whom. */
function candidate(parts: KubeParts, name: string, identity: string, history: string[], timing = SHORT) {
  const ended = new AbortController();
  let lost: AbortSignal | undefined;
  const elector = new LeaderElector({
    ...parts,
    namespace,
    name,
    identity,
    timing,
    onStartedLeading: (signal) => {
      lost = signal;
      history.push(`${identity} leads`);
    },
    onStoppedLeading: () => history.push(`${identity} stops`),
  });
  const running = elector.run(ended.signal);
  const stop = async () => {
    ended.abort();
    await running;
  };
  onTestFinished(stop);
  return { elector, stop, lost: () => lost };
}

/** A candidate that is a process of its own. */
function process_(name: string, identity: string, history: string[]): ChildProcess & { says: string[] } {
  const script = fileURLToPath(new URL("kube-candidate.ts", import.meta.url));
  const args = [script, cluster.kubeconfig, namespace, name, identity, JSON.stringify(SHORT)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const says: string[] = [];
  createInterface({ input: child.stdout as NonNullable<typeof child.stdout> }).on("line", (line) => {
    says.push(line);
    if (line === "leading" || line === "stopped") history.push(`${identity} ${line === "leading" ? "leads" : "stops"}`);
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  return Object.assign(child, { says });
}

test("one of two leads; when it stops cleanly the other follows at once, long before the lease runs out", async () => {
  const history: string[] = [];
  const first = candidate(admin, "clean", "a", history, LEADER_TIMING);
  await expect.poll(() => history, WAIT).toEqual(["a leads"]);
  const taken = await lease("clean");
  expect(taken.spec).toMatchObject({ holderIdentity: "a", leaseDurationSeconds: 15, leaseTransitions: 0 });
  expect(taken.spec?.renewTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  const second = candidate(admin, "clean", "b", history, LEADER_TIMING);
  await expect
    .poll(async () => (await lease("clean")).metadata.resourceVersion, WAIT)
    .not.toBe(taken.metadata.resourceVersion);
  expect([first.elector.isLeader, second.elector.isLeader]).toEqual([true, false]);
  const stopped = systemClock.monotonic();
  await first.stop();
  await expect.poll(() => history, WAIT).toEqual(["a leads", "a stops", "b leads"]);
  expect(systemClock.monotonic() - stopped).toBeLessThan(10_000);
  expect((await lease("clean")).spec).toMatchObject({ holderIdentity: "b", leaseTransitions: 1 });
  await second.stop();
  expect((await lease("clean")).spec).toMatchObject({ holderIdentity: "", leaseDurationSeconds: 1 });
});

test("a leader that is frozen is followed by the other, and knows on waking that it leads no more", async () => {
  const history: string[] = [];
  const frozen = process_("frozen", "a", history);
  await expect.poll(() => history, WAIT).toEqual(["a leads"]);
  await expect.poll(() => frozen.says.at(-1), WAIT).toBe("is leader");
  const second = candidate(admin, "frozen", "b", history);
  frozen.kill("SIGSTOP");
  await expect.poll(() => history, WAIT).toEqual(["a leads", "b leads"]);
  const before = frozen.says.length;
  frozen.kill("SIGCONT");
  await expect.poll(() => history, WAIT).toEqual(["a leads", "b leads", "a stops"]);
  // Not even the first look after waking says that it leads.
  expect(frozen.says.slice(before)).not.toContain("is leader");
  expect(second.elector.isLeader).toBe(true);
  expect((await lease("frozen")).spec?.holderIdentity).toBe("b");
});

test("a leader that is killed is followed by the other", async () => {
  const history: string[] = [];
  const killed = process_("killed", "a", history);
  await expect.poll(() => history, WAIT).toEqual(["a leads"]);
  candidate(admin, "killed", "b", history);
  killed.kill("SIGKILL");
  await once(killed, "exit");
  await expect.poll(() => history, WAIT).toEqual(["a leads", "b leads"]);
});

test("a leader that cannot reach the API server stops before anybody else may lead, and stands again later", async () => {
  await using proxy = await KubeProxy.start(cluster.server);
  const parts = await kubeParts(cluster.kubeconfig, { server: proxy.url });
  onTestFinished(() => parts.client.close());
  const history: string[] = [];
  const first = candidate(parts, "cut", "a", history);
  await expect.poll(() => history, WAIT).toEqual(["a leads"]);
  expect([first.lost()?.aborted, await parts.metric('leader_election_master_status{name="cut"}')]).toEqual([false, 1]);
  const second = candidate(admin, "cut", "b", history);
  proxy.refuse();
  await expect.poll(() => history, WAIT).toEqual(["a leads", "a stops", "b leads"]);
  expect([first.lost()?.aborted, await parts.metric('leader_election_master_status{name="cut"}')]).toEqual([true, 0]);
  proxy.forward();
  await second.stop();
  await expect.poll(() => history, WAIT).toEqual(["a leads", "a stops", "b leads", "b stops", "a leads"]);
});

test("of many that stand at once one leads at any time", async () => {
  const history: string[] = [];
  const all = ["a", "b", "c", "d", "e"].map((identity) => candidate(admin, "many", identity, history));
  for (let round = 1; round <= 3; round++) {
    await expect.poll(() => history.filter((line) => line.endsWith("leads")).length, WAIT).toBe(round);
    const leaders = all.filter(({ elector }) => elector.isLeader);
    expect(leaders).toHaveLength(1);
    await leaders[0]?.stop();
  }
  const order = history.slice(0, 5).map((line) => line.slice(2));
  expect(order).toEqual(["leads", "stops", "leads", "stops", "leads"]);
});

test("somebody who takes the lease by hand is believed at the next renewal", async () => {
  const history: string[] = [];
  candidate(admin, "usurped", "a", history);
  await expect.poll(() => history, WAIT).toEqual(["a leads"]);
  await admin.client.patch(Leases, { namespace, name: "usurped" }, { spec: { holderIdentity: "somebody else" } });
  await expect.poll(() => history, WAIT).toEqual(["a leads", "a stops"]);
  // That one never renews, so that it ends with its time.
  await expect.poll(() => history, WAIT).toEqual(["a leads", "a stops", "a leads"]);
});
