import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import type { Config } from "#protocol/config.ts";
import { FaultProxy } from "../../hack/fault-proxy/fault-proxy.ts";
import { testNamespace } from "../namespace.ts";
import { type RawAgent, testOperator } from "./operator-agents.ts";
import { createToken, enroll, machine } from "./operator-http.ts";
import { startOperator, until } from "./operator-process.ts";

const at = testNamespace();
const { agents, operator } = testOperator(at);

afterEach(() => agents.cut());

test("an operator that is refused at its start asks again: an API server knows no rights when it has only just started", async () => {
  await using proxy = await FaultProxy.start({ cluster: at.cluster });
  const refused = proxy.rule({ resource: "secrets", name: "holdfast-installation" }, { answer: { status: 403 } }, 2);
  const user = "system:serviceaccount:holdfast-system:holdfast-operator";
  const KUBECONFIG = proxy.kubeconfig(await at.cluster.kubeconfigFor(user, ["system:authenticated"]));
  const late = await startOperator(at.cluster, at.namespace, { HOLDFAST_REPLICA: "late", KUBECONFIG });
  expect(refused.hits).toBe(2);
  expect(late.log()).toContain("lacks a right");
  await late.stop();
});

interface Rule {
  apiGroups: string[];
  resources: string[];
  resourceNames?: string[];
  verbs: string[];
}

/** Takes rights away until the function that is returned gives them back. */
async function withRules(change: (rules: Rule[]) => Rule[]): Promise<() => Promise<void>> {
  const file = fileURLToPath(new URL("../../charts/holdfast/rbac/watched/role.yaml", import.meta.url));
  const [role] = parseAllDocuments(readFileSync(file, "utf8")).map(String);
  const whole = parse(role ?? "");
  const apply = (rules: Rule[]) => at.kubectl(["apply", "-f", "-"], JSON.stringify({ ...whole, rules }));
  await apply(change(whole.rules));
  return async () => void (await apply(whole.rules));
}

test("a takeover that breaks off after the credential is completed by the repeat: the agent before has no session any more", async () => {
  const host = await agents.enrol("taken");
  const { agent } = await agents.session(host);
  const token = await createToken(at, "taken-again", { hostName: "taken", reenroll: true });
  const giveBack = await withRules((rules) =>
    rules.map((rule) => ({ ...rule, resources: rule.resources.filter((resource) => resource !== "hosts/status") })),
  );
  const heir = machine("taken");
  const broken = await until("the takeover to break off", async () => {
    const tried = await enroll(operator(), token, heir);
    return tried.status === 503 ? tried : undefined;
  });
  expect(broken.code).toBe("unavailable");
  await giveBack();
  await until("the repeat to be granted", async () => {
    return (await enroll(operator(), token, heir)).status === 200 ? true : undefined;
  });
  expect(await agent.closed).toBe(4409);
  const { answer } = await agents.session({ ...host, who: heir });
  expect(answer).toMatchObject({ type: "hello_ack" });
});

/** Resolves with the newest configuration whose only policy is carried out, or kept. */
function configWith(agent: RawAgent, how: "carried out" | "kept"): Promise<Config> {
  return until(`a config with the policy ${how}`, () => {
    const found = agent.frames.findLast((frame) => frame.type === "config");
    const [policy] = found?.type === "config" ? found.config.policies : [];
    if (found?.type !== "config" || policy === undefined) return undefined;
    return "keepLastApplied" in policy === (how === "kept") ? found.config : undefined;
  });
}

test("Secrets that could not be read after a restart are read again, and the hosts get what waited for them", async () => {
  const host = await agents.enrol("web-1");
  const first = await agents.session(host);
  await at.kubectl(["create", "secret", "generic", "offsite", "--from-literal=password=canary"]);
  await at.create("Repository", "offsite", {
    url: "rest:https://backup.example.com/web/",
    passwordFrom: { secretKeyRef: { name: "offsite", key: "password" } },
  });
  await at.create("BackupPolicy", "www", {
    hosts: { names: ["web-1"] },
    repository: { name: "offsite" },
    files: { paths: ["/srv"] },
  });
  const task = await first.agent.next("task");
  const record = {
    kind: "task",
    action: "Init",
    uid: task.id,
    name: "offsite",
    attempt: 1,
    phase: "Succeeded",
    reason: "Completed",
    message: "",
    repositoryUID: task.repository.uid,
    repositoryID: "c".repeat(64),
  } as const;
  first.agent.send({ type: "record", stream: "s", seq: 1, record });
  const config = await configWith(first.agent, "carried out");

  await operator().stop();
  const giveBack = await withRules((rules) =>
    rules.flatMap((rule) =>
      rule.resources.includes("secrets")
        ? [
            { ...rule, verbs: ["get"], resourceNames: ["holdfast-host-web-1"] },
            { ...rule, verbs: ["create"] },
          ]
        : [rule],
    ),
  );
  await operator().start();
  const held = { id: config.id, policies: config.policies.map(({ uid }) => uid) };
  const { agent } = await agents.session(host, { nonce: first.ack.nonce, config: held });
  await configWith(agent, "kept");
  await giveBack();
  expect((await configWith(agent, "carried out")).id).toBe(config.id);
});
