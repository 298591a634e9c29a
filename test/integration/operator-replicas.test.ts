import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { RunRecord } from "#protocol/record.ts";
import { testNamespace } from "../namespace.ts";
import { RawAgents } from "./operator-agents.ts";
import { type OperatorProcess, startOperator, until } from "./operator-process.ts";

const at = testNamespace();
let left: OperatorProcess;
let right: OperatorProcess;
/** Where the agents go next. */
let here: OperatorProcess;
const agents = new RawAgents(at, () => here);

beforeAll(async () => {
  left = await startOperator(at.cluster, at.namespace, { HOLDFAST_REPLICA: "left" });
  right = await startOperator(at.cluster, at.namespace, { HOLDFAST_REPLICA: "right" });
  here = left;
});

afterEach(() => agents.cut());

afterAll(async () => {
  await Promise.all([left?.stop("SIGKILL"), right?.stop("SIGKILL")]);
});

async function get(kind: string, name: string) {
  return JSON.parse(await at.kubectl(["get", kind, name, "-o", "json"]));
}

async function create(kind: string, name: string, spec: object) {
  const manifest = { apiVersion: "holdfast.dev/v1alpha1", kind, metadata: { name }, spec };
  return JSON.parse(await at.kubectl(["create", "-o", "json", "-f", "-"], JSON.stringify(manifest)));
}

/** Waits until a condition of a Host is what `want` says, `<status> <reason>`. */
function condition(host: string, type: string, want: string): Promise<true> {
  return until(`${type} of Host ${host} to be ${want}`, async () => {
    const { status } = await get("host", host);
    const found = status?.conditions?.find((one: { type: string }) => one.type === type);
    return found && `${found.status} ${found.reason}` === want ? true : undefined;
  });
}

test("an agent that moves to another replica ends its session at the one before, and a result goes through the new one", async () => {
  here = left;
  const host = await agents.enrol("mover");
  const first = await agents.session(host);
  const policy = await create("BackupPolicy", "moved", {
    hosts: { names: ["mover"] },
    repository: { name: "missing" },
    files: { paths: ["/srv"] },
  });
  const run = await create("BackupRun", "moved", { policyRef: "moved", hostRef: "mover" });
  here = right;
  const second = await agents.session(host, { nonce: first.ack.nonce });
  expect(second.ack.epoch).toBe(first.ack.epoch + 1);
  expect(await first.agent.closed).toBe(4409);
  const record: RunRecord = {
    kind: "run",
    uid: run.metadata.uid,
    name: "moved",
    attempt: 1,
    phase: "Succeeded",
    reason: "Completed",
    message: "",
    policy: { uid: policy.metadata.uid, name: "moved" },
    trigger: "Manual",
    snapshots: [],
  };
  second.agent.send({ type: "record", stream: "s", seq: 1, record });
  await second.agent.next("ack");
  expect((await get("backuprun", "moved")).status.phase).toBe("Succeeded");
  expect((await get("host", "mover")).status.session.replica).toMatch(/^right-/);
});

test("an agent that comes back to a replica with a newer configuration than that one knew counts as up to date", async () => {
  here = left;
  const host = await agents.enrol("returner");
  const first = await agents.session(host);
  const old = await first.agent.next("config");
  first.agent.send({ type: "config_applied", id: old.config.id });
  await condition("returner", "ConfigApplied", "True Applied");

  here = right;
  const second = await agents.session(host, { nonce: first.ack.nonce });
  await create("BackupPolicy", "newer", {
    hosts: { names: ["returner"] },
    repository: { name: "missing" },
    files: { paths: ["/srv"] },
  });
  const newer = await until("the config with the policy", () => {
    const found = second.agent.frames.find((frame) => frame.type === "config" && frame.config.policies.length > 0);
    return found?.type === "config" ? found.config : undefined;
  });
  second.agent.send({ type: "config_applied", id: newer.id });
  await condition("returner", "ConfigApplied", "True Applied");

  here = left;
  const config = { id: newer.id, policies: newer.policies.map(({ uid }) => uid) };
  await agents.session(host, { nonce: second.ack.nonce, config });
  await condition("returner", "ConfigApplied", "True Applied");
});
