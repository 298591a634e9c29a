import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import WebSocket from "ws";
import { FaultProxy } from "../../hack/fault-proxy/fault-proxy.ts";
import { testOperator } from "../integration/operator-agents.ts";
import { call, createToken } from "../integration/operator-http.ts";
import { OPERATOR_GROUPS, OPERATOR_USER, until } from "../integration/operator-process.ts";
import { testNamespace } from "../namespace.ts";

const at = testNamespace();
const { cluster, namespace } = at;
let proxy: FaultProxy;
let bearer: Record<string, string>;

afterAll(() => proxy?.stop());
const { agents, operator } = testOperator(at, async () => {
  proxy = await FaultProxy.start({ cluster });
  return { KUBECONFIG: proxy.kubeconfig(await cluster.kubeconfigFor(OPERATOR_USER, OPERATOR_GROUPS)) };
});

beforeAll(async () => {
  const role = `metrics-${namespace}`;
  await at.kubectl(["create", "serviceaccount", "scraper"]);
  await at.kubectl(["create", "clusterrole", role, "--verb=get", "--non-resource-url=/metrics"]);
  const subject = `--serviceaccount=${namespace}:scraper`;
  await at.kubectl(["create", "clusterrolebinding", role, `--clusterrole=${role}`, subject]);
  bearer = { authorization: `Bearer ${(await at.kubectl(["create", "token", "scraper"])).trim()}` };
});
afterAll(async () => {
  await at.kubectl(["delete", "clusterrole,clusterrolebinding", `metrics-${namespace}`]);
});

async function scrape(): Promise<string> {
  return until("a scrape", async () => {
    const { status, body } = await call(operator(), "GET", "/metrics", { headers: bearer });
    return status === 200 ? body : undefined;
  });
}

/** The sum of all series of a metric whose labels hold `labels`. */
function sumOf(text: string, name: string, labels = ""): number {
  const series = text.split("\n").filter((line) => line.startsWith(name) && /[{ ]/.test(line[name.length] ?? ""));
  return series.filter((line) => line.includes(labels)).reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

/** What dashboards and alerts for client-go, controller-runtime and Node rely on. */
const STANDARD: Record<string, [type: string, labels: string[]]> = {
  rest_client_requests_total: ["counter", ["code", "host", "method"]],
  rest_client_request_duration_seconds: ["histogram", ["host", "verb"]],
  rest_client_request_retries_total: ["counter", ["code", "host", "verb"]],
  reflector_lists_total: ["counter", ["name", "namespace"]],
  reflector_list_duration_seconds: ["summary", ["name", "namespace"]],
  reflector_items_per_list: ["summary", ["name", "namespace"]],
  reflector_watches_total: ["counter", ["name", "namespace"]],
  reflector_short_watches_total: ["counter", ["name", "namespace"]],
  reflector_last_resource_version: ["gauge", ["name", "namespace"]],
  workqueue_depth: ["gauge", ["name"]],
  workqueue_adds_total: ["counter", ["name"]],
  workqueue_queue_duration_seconds: ["histogram", ["name"]],
  workqueue_work_duration_seconds: ["histogram", ["name"]],
  workqueue_unfinished_work_seconds: ["gauge", ["name"]],
  workqueue_longest_running_processor_seconds: ["gauge", ["name"]],
  workqueue_retries_total: ["counter", ["name"]],
  controller_runtime_reconcile_total: ["counter", ["controller", "result"]],
  controller_runtime_reconcile_errors_total: ["counter", ["controller"]],
  controller_runtime_reconcile_panics_total: ["counter", ["controller"]],
  controller_runtime_reconcile_time_seconds: ["histogram", ["controller"]],
  controller_runtime_active_workers: ["gauge", ["controller"]],
  controller_runtime_max_concurrent_reconciles: ["gauge", ["controller"]],
  leader_election_master_status: ["gauge", ["name"]],
  process_cpu_seconds_total: ["counter", []],
  process_resident_memory_bytes: ["gauge", []],
  process_open_fds: ["gauge", []],
  process_start_time_seconds: ["gauge", []],
  nodejs_eventloop_lag_p99_seconds: ["gauge", []],
  nodejs_heap_size_used_bytes: ["gauge", []],
  nodejs_gc_duration_seconds: ["histogram", ["kind"]],
};
/** Values of these are the names of namespaces, which the operator is told, or of what is in the code. */
const BOUNDED = [
  "action",
  "code",
  "controller",
  "host",
  "kind",
  "method",
  "name",
  "namespace",
  "phase",
  "reason",
  "result",
  "type",
  "verb",
  "version",
  "major",
  "minor",
  "patch",
  "le",
  "quantile",
  "space",
  "direction",
];

test("metrics have the names, types and labels that dashboards for client-go and controller-runtime look for", async () => {
  await createToken(at, "first");
  const text = await until("a leader", async () => {
    const scraped = await scrape();
    return scraped.includes('leader_election_master_status{name="holdfast-operator"} 1') ? scraped : undefined;
  });
  const types = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]));
  const helps = new Map([...text.matchAll(/^# HELP (\S+) (.*)$/gm)].map(([, name, help]) => [name, help]));
  const labels = new Map<string, Set<string>>();
  for (const [, name = "", set = ""] of text.matchAll(/^([a-z_]+?)(?:_bucket|_sum|_count)?(?:\{(.*)\})? \S+$/gm)) {
    const known = labels.get(name) ?? new Set();
    for (const [, label = ""] of set.matchAll(/(\w+)="/g)) if (label !== "le") known.add(label);
    labels.set(name, known);
  }
  for (const [name, [type, wanted]] of Object.entries(STANDARD)) {
    expect([name, types.get(name)], `the type of ${name}`).toEqual([name, type]);
    expect(helps.get(name), `the help of ${name}`).toMatch(/\w/);
    // Of what never happened yet there is no series; its name is known all the same.
    if (labels.get(name)?.size) expect([name, [...(labels.get(name) ?? [])].sort()]).toEqual([name, wanted]);
  }
  for (const name of types.keys()) expect(helps.get(name), `the help of ${name}`).toMatch(/\w/);
  const used = new Set([...labels.values()].flatMap((set) => [...set]));
  expect([...used].filter((label) => !BOUNDED.includes(label))).toEqual([]);
  for (const result of ["success", "error", "requeue_after"]) {
    expect(text).toContain(`controller_runtime_reconcile_total{controller="token",result="${result}"}`);
  }
});

test("objects by the hundred add no series", async () => {
  const series = async () => (await scrape()).split("\n").filter((line) => line !== "" && !line.startsWith("#")).length;
  const hosts = async (from: number, to: number) => {
    const manifest = (name: string) => ({
      apiVersion: "holdfast.dev/v1alpha1",
      kind: "Host",
      metadata: { name },
      spec: {},
    });
    const items = Array.from({ length: to - from }, (_, index) => manifest(`series-${from + index}`));
    await at.kubectl(["create", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items }));
    await until("the hosts to be reconciled", async () => {
      const text = await scrape();
      const known = sumOf(text, "informer_objects", 'kind="hosts"');
      const done = sumOf(text, "controller_runtime_reconcile_total", 'controller="host",result="success"');
      return known >= to && done >= to ? true : undefined;
    });
  };
  await hosts(0, 5);
  const before = await series();
  await hosts(5, 60);
  // A code or a verb that was not seen before may add one or the other.
  expect(await series()).toBeLessThan(before + 30);
});

const watched = fileURLToPath(new URL("../../charts/holdfast/rbac/watched", import.meta.url));

test("rights taken away while it runs are named in the log and in metrics, and cost nothing but news until they are back", async () => {
  const host = await agents.enrol("rights");
  const { agent } = await agents.session(host);
  await at.kubectl(["delete", "rolebinding", "holdfast-watched"]);
  proxy.forget();
  proxy.cut();
  const kinds = ["hosts", "enrollmenttokens", "repositories", "backuppolicies", "backupruns", "restores"];
  const refused = await until("every cache to be refused", async () => {
    const text = await scrape();
    const failed = (kind: string) =>
      sumOf(text, "informer_watch_failures_total", `kind="${kind}",namespace="${namespace}",code="kube/forbidden"`);
    return kinds.every((kind) => failed(kind) > 1) ? text : undefined;
  });
  for (const kind of kinds) expect(sumOf(refused, "informer_healthy", `kind="${kind}"`)).toBe(0);
  expect(operator().log()).toMatch(/list hosts .*403 Forbidden.*Grant it in the operator's Role/);
  // Each kind asks for its watch once and then lists with growing delays from 0.8 s on.
  const asked = proxy.requests(({ verb }) => verb === "list" || verb === "watch");
  const seconds = ((asked.at(-1)?.at ?? 0) - (asked[0]?.at ?? 0)) / 1000;
  expect(asked.length).toBeLessThan((kinds.length + 1) * (4 + seconds));
  expect((await call(operator(), "GET", "/readyz")).status).toBe(200);
  expect(agent.socket.readyState).toBe(WebSocket.OPEN);

  await at.create("EnrollmentToken", "meanwhile", {});
  await at.kubectl(["apply", "-f", watched]);
  await until(
    "the token created meanwhile",
    async () => {
      const token = await at.get("enrollmenttoken", "meanwhile");
      return token.status?.secretRef;
    },
    60_000,
  );
  await until(
    "every cache to be well",
    async () => {
      const text = await scrape();
      return kinds.every((kind) => sumOf(text, "informer_healthy", `kind="${kind}"`) === 1) ? true : undefined;
    },
    60_000,
  );
  expect(agent.socket.readyState).toBe(WebSocket.OPEN);
});

test("a storm of 429 on everything, its own leadership included, is met with few requests, and it leads again when it is over", async () => {
  const host = await agents.enrol("storm");
  const { agent } = await agents.session(host);
  const lost = operator().log().split("leadership lost").length;
  const storm = proxy.rule({}, { answer: { status: 429, retryAfterSeconds: 3 } });
  proxy.forget();
  proxy.cut();
  await at.create("EnrollmentToken", "storm", {});
  await until(
    "leadership to be lost",
    () => (operator().log().split("leadership lost").length > lost ? true : undefined),
    60_000,
  );
  const seconds = ((proxy.requests().at(-1)?.at ?? 0) - (proxy.requests()[0]?.at ?? 0)) / 1000;
  const leases = proxy.requests(({ resource }) => resource === "leases").length;
  // Both Leases are tried every 2 s, each other request at most once in the 3 s that were asked for.
  expect(leases).toBeLessThan(3 * seconds + 6);
  expect(storm.hits - leases).toBeLessThan(12 * (seconds / 3 + 3));
  expect((await call(operator(), "GET", "/readyz")).status).toBe(200);
  expect((await call(operator(), "GET", "/metrics", { headers: bearer })).status).toBe(200);
  storm.remove();
  await until(
    "the token created in the storm",
    async () => {
      const token = await at.get("enrollmenttoken", "storm");
      return token.status?.secretRef;
    },
    60_000,
  );
  expect(agent.socket.readyState).toBe(WebSocket.OPEN);
});
