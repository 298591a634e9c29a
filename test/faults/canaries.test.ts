import { execFile, spawn } from "node:child_process";
import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, expect, test } from "vitest";
import { secret } from "#base/random.ts";
import { parseCredential } from "#protocol/enroll.ts";
import { sealFrom } from "../../agent/state/seal.ts";
import { FILES } from "../../agent/state/state.ts";
import { kubectl } from "../../hack/cluster/kubectl.ts";
import type { Machine } from "../../hack/stage/machine.ts";
import { until } from "../../hack/stage/until.ts";
import { enrolled, logsOnFailure } from "../stage.ts";
import { Canaries } from "./canary.ts";
import { crash, crashing, killInMidRun } from "./canary-kills.ts";
import { readableByOthers, secretsOf } from "./canary-places.ts";
import { openRepositories, ownPasswords } from "./canary-repositories.ts";
import { canaryWorld } from "./canary-world.ts";
import { wrongPlaces } from "./canary-wrong-places.ts";

/** Keys of Secrets whose values are no secrets. */
const PUBLIC = ["server", "pin", "command", "ca.crt", "clusterID", "credentialHash", "RESTIC_REST_USERNAME"];

const world = canaryWorld();
const { stage } = world;
let machine: Machine;

const inSystem = (args: readonly string[], input?: string) =>
  kubectl(stage().cluster, ["--namespace", stage().system, ...args], input);

/** A token of a ServiceAccount in the operator's namespace. */
async function tokenOf(account: string): Promise<string> {
  const token = (await inSystem(["create", "token", account])).trim();
  world.canaries.add(`the token of ${account}`, token.split(".")[2]!);
  return token;
}

beforeAll(async () => {
  // As in a pod: the operator shows its ServiceAccount's token. And it says all it ever says.
  const { server, ca } = stage().cluster;
  const kubeconfig = {
    clusters: [{ name: "c", cluster: { server, "certificate-authority-data": Buffer.from(ca).toString("base64") } }],
    users: [{ name: "u", user: { token: await tokenOf("holdfast-operator") } }],
    contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
    "current-context": "x",
  };
  const path = join(stage().directory, "operator.kubeconfig");
  writeFileSync(path, JSON.stringify(kubeconfig), { mode: 0o600 });
  await stage().operator.stop("SIGTERM");
  const settings = { ...crashing(world), HOLDFAST_LOG_LEVEL: "debug" };
  Object.assign(stage().operator.environment, settings, { KUBECONFIG: path });
  await stage().startOperator();

  await stage().applyQuickstart();
  machine = await enrolled(stage(), "web-1", { ...settings, ...ownPasswords(world) });
  mkdirSync(join(machine.root, "srv/www"), { recursive: true });
  writeFileSync(join(machine.root, "srv/www/page.html"), "hello");
});

test("no secret is anywhere but where it belongs, in good days and in bad", async () => {
  logsOnFailure(stage());
  // Those that the test itself puts into arguments: there they are no find.
  const typed = new Canaries();
  const { credential } = identity();
  await Promise.all([openRepositories(world), wrongPlaces(world, machine, credential, typed)]);
  await scrape();
  await killInMidRun(world, machine);
  await crash(world, machine);
  await addSecrets();
  const places = await world.everywhere();
  const beside = new Map([...places].filter(([place]) => !place.startsWith("argv of")));
  const finds = [...world.search(places), ...world.search(beside, typed)];
  expect(finds.map(({ canary, form, place, around }) => `${canary}, ${form}, in ${place}: ${around}`)).toEqual([]);
  expect(readableByOthers(machine.folder)).toEqual([]);
  // A crash of Node itself leaves its memory where it was started, which is here.
  expect(readdirSync(process.cwd()).filter((name) => /^core\b|^report\.|\.heap/.test(name))).toEqual([]);
}, 300_000);

test("a leak planted in any of the places is found", async () => {
  const planted = new Canaries();
  const value = secret();
  planted.add("planted", value);
  const base64 = Buffer.from(value).toString("base64");
  const { namespace, system, directory, restic } = stage();
  for (const log of ["operator.log", "web-1.log"]) appendFileSync(join(directory, log), `{"msg":"${value}"}\n`);
  writeFileSync(join(machine.folder, "state/planted"), base64);
  const shared = [tmpdir(), "/dev/shm"].map((folder) => join(folder, `planted-${namespace}`));
  for (const file of shared) writeFileSync(file, value.slice(0, 30));
  const sleeper = spawn("sleep", ["60"], { argv0: `sleep-${value}`, env: { PLANTED: value } });
  const manifest = (kind: string, apiVersion: string, more: object) =>
    JSON.stringify({ kind, apiVersion, metadata: { name: "planted", annotations: { note: base64 } }, ...more });
  try {
    await Promise.all([
      stage().kubectl(["create", "--filename=-"], manifest("ConfigMap", "v1", {})),
      inSystem(["create", "--filename=-"], manifest("Lease", "coordination.k8s.io/v1", { spec: {} })),
      inSystem(["create", "--filename=-"], manifest("Secret", "v1", {})),
      stage().kubectl([
        "get",
        "--raw",
        `/api/v1/namespaces/${namespace}/pods?labelSelector=planted%3Dx${value.slice(0, 40)}x`,
      ]),
      world.agent(machine, [`not-a-command-${value}`]),
      promisify(execFile)(restic.ofAgents, ["version", `--planted=${value}`], { env: { PLANTED: value } }).catch(
        () => {},
      ),
    ]);
    const places = world.search(await world.everywhere(), planted).map(({ place }) => place);
    const found = (begin: string) => places.some((place) => place.startsWith(begin));
    const searched = [
      ...["operator.log", "web-1.log", "web-1/state/planted"].map((file) => `file ${file}`),
      ...shared.map((file) => `shared ${file}`),
      `resources of ${namespace}`,
      `resources of ${system}`,
      `Secret ${system}/planted without its data`,
      "audit log",
      "output of holdfast-agent",
      `argv of ${sleeper.pid} sleep`,
      `environment of ${sleeper.pid} sleep`,
    ];
    expect(searched.filter((place) => !found(place))).toEqual([]);
    const calls = places.filter((place) => /^(argv|environment) of \d+ \/bin\/sh/.test(place)).length;
    expect(calls, "of restic").toBeGreaterThanOrEqual(2);
  } finally {
    sleeper.kill("SIGKILL");
    for (const file of shared) rmSync(file, { force: true });
  }
});

/** Reads the metrics as Prometheus does. */
async function scrape(): Promise<void> {
  const { server } = await stage().invitation("web-1");
  const role = `metrics-${stage().system}`;
  await inSystem(["create", "serviceaccount", "scraper"]);
  await inSystem(["create", "clusterrole", role, "--verb=get", "--non-resource-url=/metrics"]);
  const account = `--serviceaccount=${stage().system}:scraper`;
  await inSystem(["create", "clusterrolebinding", role, `--clusterrole=${role}`, account]);
  const headers = { authorization: `Bearer ${await tokenOf("scraper")}` };
  await until("the binding to work", 20, async () =>
    (await world.ask(server, "/metrics", { headers })).includes("holdfast_agent"),
  );
  await inSystem(["delete", "clusterrole,clusterrolebinding", role]);
}

/** Adds every value of every Secret there is now, and what the agent keeps, to what is searched for. */
async function addSecrets(): Promise<void> {
  const { canaries } = world;
  for (const namespace of [stage().namespace, stage().system]) {
    for (const { metadata, data = {} } of await secretsOf(stage().cluster, namespace)) {
      for (const [key, encoded] of Object.entries(data)) {
        const value = Buffer.from(encoded, "base64").toString("utf8");
        const name = `${key} of Secret ${metadata.name}`;
        if (PUBLIC.includes(key) || value === "") continue;
        if (value.includes("PRIVATE KEY")) canaries.addKey(name, value);
        else canaries.add(name, key === "token" ? value.slice(-43) : value);
      }
    }
  }
  const { credential, ticket, nonce } = identity();
  canaries.add("the agent's credential", parseCredential(credential)!.secret, "shown");
  canaries.add("the agent's ticket", ticket.split(".")[2]!);
  canaries.add("the session's nonce", nonce, "shown");
  canaries.add("the agent's key", readFileSync(join(machine.folder, "state/key")));
}

/** What only web-1's agent knows, from its sealed state. */
function identity(): { credential: string; ticket: string; nonce: string } {
  const seal = sealFrom(join(machine.folder, "state", FILES.key), false);
  const sealed = readFileSync(join(machine.folder, "state", FILES.identity));
  return JSON.parse(Buffer.from(seal.open(FILES.identity, sealed)).toString("utf8"));
}
