import { afterAll, expect, test } from "vitest";
import { FaultProxy } from "../../hack/fault-proxy/fault-proxy.ts";
import { testOperator } from "../integration/operator-agents.ts";
import { createToken, enroll, machine } from "../integration/operator-http.ts";
import { OPERATOR_GROUPS, OPERATOR_USER } from "../integration/operator-process.ts";
import { testNamespace } from "../namespace.ts";

const at = testNamespace();
let proxy: FaultProxy;
afterAll(() => proxy?.stop());
const { agents, operator } = testOperator(at, async () => {
  proxy = await FaultProxy.start({ cluster: at.cluster });
  return { KUBECONFIG: proxy.kubeconfig(await at.cluster.kubeconfigFor(OPERATOR_USER, OPERATOR_GROUPS)) };
});

/** What an enrolment writes, in its order. */
const writes = {
  "killed-at-use": { verb: "apply", resource: "enrollmenttokens", subresource: "status", name: "killed-at-use" },
  "killed-at-host": { verb: "create", resource: "hosts" },
  "killed-at-secret": { verb: "create", resource: "secrets" },
} as const;

test("an operator killed with SIGKILL right after any write of an enrolment is gone on with by the next, on the same credential", async () => {
  const names = Object.keys(writes) as (keyof typeof writes)[];
  // First, because the operator that comes after a kill leads only once the Lease of the killed one has run out.
  const tokens = new Map<string, string>();
  for (const name of names) tokens.set(name, await createToken(at, name));
  for (const name of names) {
    const token = tokens.get(name)!;
    const who = machine(name);
    using killing = proxy.rule(writes[name], { after: async () => void (await operator().stop("SIGKILL")) }, 1);
    await expect(enroll(operator(), token, who), name).rejects.toThrow();
    expect(killing.hits, name).toBe(1);
    await operator().start();
    expect(await enroll(operator(), token, who), name).toMatchObject({ status: 200 });
    expect((await at.get("enrollmenttoken", name)).status).toMatchObject({ uses: 1, hosts: [{ name }] });
    const agent = await agents.connect(who);
    expect(typeof agent, name).not.toBe("number");
    expect(await enroll(operator(), token, machine(`${name}-2`))).toMatchObject({ status: 401, code: "token_used" });
  }
});
