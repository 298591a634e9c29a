import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HoldfastError } from "#base/errors.ts";
import type { Host } from "#crds/host.ts";
import { openCaches } from "../../operator/controllers/caches.ts";
import { EnrollmentTokens, Hosts } from "../../operator/controllers/kinds.ts";
import { EnrolmentDesk } from "../../operator/hub/enrolment.ts";
import { loadInstallation } from "../../operator/installation/installation.ts";
import type { Client } from "../../operator/kube/client.ts";
import { findCondition, isTrue } from "../../operator/kube/conditions.ts";
import { Secrets } from "../../operator/kube/resource.ts";
import { testNamespace } from "../namespace.ts";
import { informersOf, type KubeParts, kubeParts } from "./kube-parts.ts";
import { RawAgents } from "./operator-agents.ts";
import { createToken, enroll, enrolRequest, type Machine, machine } from "./operator-http.ts";
import { type OperatorProcess, startOperator, until } from "./operator-process.ts";

const at = testNamespace();
let operator: OperatorProcess;
let parts: KubeParts;
const agents = new RawAgents(at, () => operator);

beforeAll(async () => {
  operator = await startOperator(at.cluster, at.namespace);
  parts = await kubeParts(at.cluster.kubeconfig);
});

afterAll(async () => {
  agents.cut();
  await operator?.stop("SIGKILL");
});

const ref = (name: string) => ({ namespace: at.namespace, name });
const createHost = (name: string, spec: Host["spec"] = {}) => parts.client.create(Hosts, { metadata: ref(name), spec });
const setRevoked = (name: string, revoked: boolean) => parts.client.patch(Hosts, ref(name), { spec: { revoked } });
const withdrawn = (name: string) =>
  until(`the credential of ${name} to be withdrawn`, async () => {
    const { status } = await parts.client.get(Hosts, ref(name));
    return isTrue(status?.conditions, "Revoked") ? true : undefined;
  });
const hashOf = async (name: string) => {
  const { data } = await parts.client.get(Secrets, ref(`holdfast-host-${name}`));
  return data?.["credentialHash"] ?? "";
};
const reenrol = async (name: string, token: string, by: Machine = machine(name)) =>
  until("the Host to be ready for another agent", async () => {
    const answer = await enroll(operator, token, by);
    return answer.status === 503 ? undefined : answer;
  });

describe("a revocation is for good", () => {
  test("however quickly it is taken back: that waits until the credential is withdrawn", async () => {
    const host = await agents.enrol("brief");
    await operator.stop();
    await setRevoked("brief", true);
    await expect(setRevoked("brief", false)).rejects.toThrow(
      /cannot be taken back before the operator has withdrawn the credential: wait for condition Revoked/,
    );
    await operator.start();
    await withdrawn("brief");
    await setRevoked("brief", false);
    await until("the old credential to be refused", async () =>
      (await agents.connect(host.who)) === 401 ? true : undefined,
    );
  });

  test("a second one is not mistaken for the first, and an agent enrolled in between is no longer let in", async () => {
    await agents.enrol("twice");
    await setRevoked("twice", true);
    await withdrawn("twice");
    await setRevoked("twice", false);
    const second = machine("twice");
    const token = await createToken(at, "twice-again", { hostName: "twice", reenroll: true });
    expect(await reenrol("twice", token, second)).toMatchObject({ status: 200 });
    await operator.stop();
    await setRevoked("twice", true);
    await expect(setRevoked("twice", false)).rejects.toThrow(/wait for condition Revoked/);
    await operator.start();
    await withdrawn("twice");
    await setRevoked("twice", false);
    await until("the second credential to be refused", async () =>
      (await agents.connect(second)) === 401 ? true : undefined,
    );
  });

  test("a Host whose agent was connected counts as connected no longer, neither then nor once it is taken back", async () => {
    const { agent, ack } = await agents.session(await agents.enrol("cut"));
    const told = async (type: string) => {
      const { status } = await parts.client.get(Hosts, ref("cut"));
      const { status: value, reason } = findCondition(status?.conditions, type) ?? {};
      return `${value} ${reason}`;
    };
    await expect.poll(() => told("Ready"), { timeout: 30_000 }).toBe("True Connected");
    await setRevoked("cut", true);
    await agent.closed;
    await withdrawn("cut");
    expect(await told("Connected")).toBe("False Revoked");
    // So that also a replica ends it that was cut off meanwhile.
    expect((await parts.client.get(Hosts, ref("cut"))).status?.session?.epoch).toBeGreaterThan(ack.epoch);
    await setRevoked("cut", false);
    await until("the revocation to be taken back", async () => {
      const { metadata, status } = await parts.client.get(Hosts, ref("cut"));
      const seen = status?.observedGeneration === metadata.generation && !isTrue(status?.conditions, "Revoked");
      return seen ? true : undefined;
    });
    expect(await told("Ready")).toBe("False Revoked");
  });

  test("a Host that never had an agent is not for a plain token afterwards", async () => {
    await createHost("unborn", { revoked: true });
    await withdrawn("unborn");
    await setRevoked("unborn", false);
    const plain = await reenrol("unborn", await createToken(at, "unborn-plain"));
    expect(plain).toMatchObject({ status: 409, code: "host_exists" });
    expect(plain.message).toContain("was revoked");
  });
});

describe("a connection that waits with its hello", () => {
  test.each([
    ["early", "never had a session"],
    ["late", "had one before"],
  ])("until its Host (%s) was enrolled again is turned away, where its agent %s", async (name, before) => {
    const first = await agents.enrol(name);
    if (before === "had one before") (await agents.session(first)).agent.socket.terminate();
    const token = await createToken(at, `${name}-again`, { hostName: name, reenroll: true });
    const waiting = await agents.connection(first);
    expect(await enroll(operator, token, machine(name))).toMatchObject({ status: 200 });
    // So that a hello that is being accepted just now is overtaken, too.
    const { status } = await parts.client.get(Hosts, ref(name));
    expect(findCondition(status?.conditions, "Connected")).toMatchObject({ reason: "Reenrolled" });
    expect((await agents.greet(waiting, first)).answer).toMatchObject({ type: "error", code: "host_unknown" });
    expect(await waiting.closed).toBe(4403);
  });
});

describe("an enrolment at another replica", () => {
  let desk: (client: Client) => EnrolmentDesk;
  let end: () => Promise<void>;

  beforeAll(async () => {
    const { informers, start, stop } = informersOf(parts, [at.namespace]);
    const caches = openCaches(informers);
    const installation = await loadInstallation(parts.client, at.namespace, parts.clock.now());
    start();
    await informers.synced();
    const endpoint = "wss://127.0.0.1:1/v1/agent";
    desk = (client) =>
      new EnrolmentDesk({ ...parts, client, caches, installation, endpoint, onTakeover: async () => {} });
    end = stop;
  });
  afterAll(() => end());

  /** The outcome of an enrolment whose requests go through `client`: "enrolled", or the error's code. */
  const enrolThrough = (client: Client, token: string, who: Machine): Promise<string> =>
    desk(client)
      .enroll(enrolRequest(token, who), AbortSignal.timeout(30_000))
      .then(() => "enrolled", codeOf);

  /** A token that the caches of this replica know, too: they learn of it a moment after the leader has made it. */
  const knownToken = async (name: string, spec: object = {}) => {
    const token = await createToken(at, name, spec);
    const probe = machine("-");
    await until("the token to be known", async () =>
      (await enrolThrough(parts.client, token, probe)) === "hostname_invalid" ? true : undefined,
    );
    return token;
  };

  test("whose Host is revoked meanwhile, at whichever request, leaves no credential that holds", async () => {
    const token = await knownToken("held", { maxUses: 100 });
    const outcomes: string[] = [];
    for (let call = 1; ; call++) {
      const name = `held-${call}`;
      await createHost(name);
      const held = interposed(parts.client, call, async (go) => {
        await setRevoked(name, true);
        await withdrawn(name);
        return go();
      });
      const outcome = await enrolThrough(held.client, token, machine(name));
      if (!held.reached()) break;
      outcomes.push(outcome);
      expect(await hashOf(name), `revoked at request ${call}: ${outcome}`).toBe("");
    }
    // The token's Secret, the Host's Secret, the Host, the token's use, the Host's Secret, the Host, and the write.
    expect(outcomes).toEqual(Array(7).fill("host_revoked"));
  });

  test.each(["before", "after"] as const)(
    "that dies %s any one of its requests is completed by its repeat elsewhere, and counts once",
    async (when) => {
      const token = await knownToken(`dies-${when}`, { maxUses: 100 });
      for (let call = 1; ; call++) {
        const who = machine(`dies-${when}-${call}`);
        const killed = interposed(parts.client, call, async (go) => {
          if (when === "after") await go().catch(() => {});
          throw new HoldfastError("test/killed", "the replica was killed here");
        });
        const outcome = await enrolThrough(killed.client, token, who);
        expect(outcome).toBe(killed.reached() ? "test/killed" : "enrolled");
        const { status } = await enroll(operator, token, who);
        expect(status, `killed ${when} request ${call}`).toBe(200);
        const { status: used } = await parts.client.get(EnrollmentTokens, ref(`dies-${when}`));
        expect(used?.uses).toBe(call);
        expect(used?.hosts?.filter(({ name }) => name === who.hostname)).toHaveLength(1);
        if (!killed.reached()) break;
        expect(call).toBeLessThan(20);
      }
    },
  );

  test("whose token is deleted before its use is counted ends as unknown, and makes no Host", async () => {
    const token = await knownToken("gone");
    // The token's Secret, the Host's Secret, the Host; the fourth counts the use.
    const deleted = interposed(parts.client, 4, async (go) => {
      await parts.client.delete(EnrollmentTokens, ref("gone"));
      return go();
    });
    expect(await enrolThrough(deleted.client, token, machine("gone"))).toBe("token_unknown");
    await expect(parts.client.get(Hosts, ref("gone"))).rejects.toThrow(/not found/);
  });
});

function codeOf(error: unknown): string {
  if (error instanceof HoldfastError) return error.code;
  throw error;
}

/** A client whose `at`-th request goes through `act`; the others, and `go`, reach the API server. */
function interposed(client: Client, at: number, act: <T>(go: () => Promise<T>) => Promise<T>) {
  let calls = 0;
  const through = <T>(go: () => Promise<T>) => (++calls === at ? act(go) : go());
  const wrapped: Client = {
    get: (...given) => through(() => client.get(...given)),
    list: (...given) => through(() => client.list(...given)),
    create: (...given) => through(() => client.create(...given)),
    update: (...given) => through(() => client.update(...given)),
    patch: (...given) => through(() => client.patch(...given)),
    apply: (...given) => through(() => client.apply(...given)),
    delete: (...given) => through(() => client.delete(...given)),
  };
  return { client: wrapped, reached: () => calls >= at };
}

// The last ones: they use up what the address of all these agents may be refused.
describe("at an address from which others are refused again and again", () => {
  /** Again where the replica has had too many connections in all; the answer. */
  const connect = (who: Machine, ticket?: string) =>
    until("the replica to have time", async () => {
      const answer = await agents.connect(who, ticket);
      return answer === 503 ? undefined : answer;
    });

  /** Connects until it is told that it does so too often; what it was told before. */
  async function wearOut(who: Machine, ticket?: string): Promise<unknown> {
    const answers = new Set<unknown>();
    while (!answers.has(429)) answers.add(await connect(who, ticket));
    answers.delete(429);
    return [...answers];
  }

  /** Whether somebody is refused right after a stranger has worn out the address; a probe takes what grows back in a second. */
  async function refusedBesideAStranger(who: Machine, ticket?: string): Promise<boolean> {
    for (let tries = 0; tries < 5; tries++) {
      await wearOut(machine("stranger"));
      if ((await connect(who, ticket)) === 429) return true;
    }
    return false;
  }

  test("an agent that shows what was given to it is let in, whoever else is refused there", async () => {
    const host = await agents.enrol("neighbour");
    const revoked = await agents.enrol("restless");
    await setRevoked("restless", true);
    await withdrawn("restless");
    expect(await wearOut(machine("stranger"))).toEqual([401]);
    expect(await refusedBesideAStranger(host.who)).toBe(true);
    // Nor does the ticket of another help a stranger.
    expect(await refusedBesideAStranger(machine("neighbour"), host.ticket)).toBe(true);
    expect(await wearOut(revoked.who, revoked.ticket)).toEqual([403]);
    expect(await connect(host.who, host.ticket)).toBeTypeOf("object");
  });
});
