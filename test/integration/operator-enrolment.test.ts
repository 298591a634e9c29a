import { X509Certificate } from "node:crypto";
import { connect } from "node:tls";
import { describe, expect, test } from "vitest";
import { testNamespace } from "../namespace.ts";
import { testOperator } from "./operator-agents.ts";
import { call, createToken, enroll, machine } from "./operator-http.ts";
import { until } from "./operator-process.ts";

const at = testNamespace();
const { get } = at;
const { operator } = testOperator(at);

test("a machine with a token becomes a Host with a credential whose hash alone is kept", async () => {
  const token = await createToken(at, "first", { hostLabels: { site: "berlin" } });
  const web = machine("Web-1.Example.com");
  const { status, answer } = await enroll(operator(), token, web);
  expect(status).toBe(200);
  expect(answer?.host).toMatchObject({ namespace: at.namespace, name: "web-1.example.com" });
  expect(answer?.endpoint).toBe(`wss://127.0.0.1:${operator().port}/v1/agent`);
  expect(answer?.ca).toEqual([operator().ca]);
  const host = await get("host", "web-1.example.com");
  expect(host.metadata.uid).toBe(answer?.host.uid);
  expect(host.metadata.labels).toEqual({ site: "berlin" });
  const secret = await get("secret", "holdfast-host-web-1.example.com");
  expect(secret.metadata.ownerReferences).toMatchObject([{ kind: "Host", uid: host.metadata.uid }]);
  expect(JSON.stringify(secret)).not.toContain(web.secret);
  const used = await get("enrollmenttoken", "first");
  expect(used.status).toMatchObject({ uses: 1, hosts: [{ name: "web-1.example.com" }] });
  await until("the token to be Used", async () => {
    const { status } = await get("enrollmenttoken", "first");
    return status.conditions.some((one: { reason: string }) => one.reason === "Used") ? true : undefined;
  });
  expect(operator().log()).not.toContain(token);
});

test("a repeat after a lost answer is the same enrolment, and completes what is missing", async () => {
  const token = await createToken(at, "repeat");
  const db = machine("repeat-1");
  const first = await enroll(operator(), token, db);
  await at.kubectl(["delete", "secret", "holdfast-host-repeat-1"]);
  const second = await enroll(operator(), token, db);
  expect(second.answer?.host).toEqual(first.answer?.host);
  expect((await get("enrollmenttoken", "repeat")).status.uses).toBe(1);
  await get("secret", "holdfast-host-repeat-1");
});

test("of two agents that race for the last use one gets it", async () => {
  const token = await createToken(at, "race");
  const racers = ["race-a", "race-b", "race-c", "race-d"].map((name) => enroll(operator(), token, machine(name)));
  const statuses = (await Promise.all(racers)).map(({ status, code }) => code ?? status).sort();
  expect(statuses).toEqual([200, "token_used", "token_used", "token_used"]);
  expect((await get("enrollmenttoken", "race")).status.uses).toBe(1);
  const hosts = JSON.parse(await at.kubectl(["get", "hosts", "-o", "json"]));
  expect(
    hosts.items.filter((host: { metadata: { name: string } }) => host.metadata.name.startsWith("race-")),
  ).toHaveLength(1);
});

test("two agents that race for one name: one is it, the other is told what to do", async () => {
  const token = await createToken(at, "same-name", { maxUses: 2 });
  const racers = await Promise.all([
    enroll(operator(), token, machine("twin")),
    enroll(operator(), token, machine("twin")),
  ]);
  expect(racers.map(({ status }) => status).sort()).toEqual([200, 409]);
  expect(racers.find(({ status }) => status === 409)?.message).toMatch(/--hostname.*reenroll: true/);
});

describe("a token that does not hold is refused with what to do:", () => {
  test("malformed", async () => {
    expect(await enroll(operator(), "hft_abc", machine("bad-1"))).toEqual({
      status: 400,
      code: "token_malformed",
      message: "this is no enrolment token: one begins with hft_ and has 80 characters. Copy it whole, without spaces.",
    });
  });

  test("unknown, by its id and by its secret, with the same words", async () => {
    const token = await createToken(at, "unknown");
    const otherID = `hft_${"0".repeat(32)}_${token.slice(-43)}`;
    const otherSecret = `${token.slice(0, -43)}${"A".repeat(43)}`;
    const answers = [
      await enroll(operator(), otherID, machine("bad-2")),
      await enroll(operator(), otherSecret, machine("bad-2")),
    ];
    expect(answers[0]).toEqual({
      status: 401,
      code: "token_unknown",
      message:
        "this token is not known here: it was deleted, belongs to another installation, or was not copied whole. " +
        "Create another EnrollmentToken and run its install command.",
    });
    expect(answers[1]).toEqual(answers[0]);
  });

  test("used up", async () => {
    const token = await createToken(at, "used");
    await enroll(operator(), token, machine("used-1"));
    const second = await enroll(operator(), token, machine("used-2"));
    expect(second).toMatchObject({ status: 401, code: "token_used" });
    expect(second.message).toBe(
      `EnrollmentToken ${at.namespace}/used has been used. Create another EnrollmentToken and run its install command.`,
    );
  });

  test("for another machine", async () => {
    const token = await createToken(at, "pinned", { hostName: "right" });
    const refused = await enroll(operator(), token, machine("wrong"));
    expect(refused).toMatchObject({ status: 403, code: "host_name_mismatch" });
    expect(refused.message).toContain("this token is for the Host right, but this machine would be wrong");
    expect((await get("enrollmenttoken", "pinned")).status.uses ?? 0).toBe(0);
  });

  test("for a name that is taken; the use is not counted", async () => {
    await enroll(operator(), await createToken(at, "taken-1"), machine("taken"));
    const refused = await enroll(operator(), await createToken(at, "taken-2"), machine("taken"));
    expect(refused).toMatchObject({ status: 409, code: "host_exists" });
    expect((await get("enrollmenttoken", "taken-2")).status.uses ?? 0).toBe(0);
  });
});

test("a Host from Git without an agent is claimed by the first that enrols under its name", async () => {
  await at.create("Host", "from-git", {}, { labels: { tier: "db" } });
  const { status } = await enroll(operator(), await createToken(at, "claim"), machine("from-git"));
  expect(status).toBe(200);
  expect((await get("host", "from-git")).metadata.labels).toEqual({ tier: "db" });
});

test("a token with hostName and reenroll takes a Host over, an older one of that kind does not take it back", async () => {
  const [old, next] = [machine("moved"), machine("moved")];
  const firstToken = await createToken(at, "moved-1", { hostName: "moved", reenroll: true });
  const first = await enroll(operator(), firstToken, old);
  const second = await enroll(
    operator(),
    await createToken(at, "moved-2", { hostName: "moved", reenroll: true }),
    next,
  );
  expect(second).toMatchObject({ status: 200, answer: { host: first.answer?.host } });
  expect(await enroll(operator(), firstToken, old)).toMatchObject({ status: 409, code: "host_exists" });
});

describe("what is no enrolment", () => {
  test.each([
    ["an empty object", "{}", 400, "malformed", /token, hostname, machineIDHash/],
    ["broken JSON", "{", 400, "bad_request", /JSON/],
    ["a body of over 16 KiB", JSON.stringify({ token: "x".repeat(17_000) }), 413, "bad_request", /too large/],
  ])("%s is refused in the one shape of errors, without a stack", async (_, body, status, code, message) => {
    const answer = await call(operator(), "POST", "/v1/enroll", { body });
    expect(answer.status).toBe(status);
    const { error, ...more } = JSON.parse(answer.body);
    expect(more).toEqual({});
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
    expect(answer.body).not.toContain("at ");
  });

  test("a path that is not there", async () => {
    const answer = await call(operator(), "GET", "/v1/none");
    expect(answer).toMatchObject({
      status: 404,
      body: '{"error":{"code":"not_found","message":"there is nothing at GET /v1/none"}}',
    });
  });
});

test("metrics are for whom RBAC lets get /metrics", async () => {
  expect((await call(operator(), "GET", "/metrics")).status).toBe(401);
  expect((await call(operator(), "GET", "/metrics", { headers: { authorization: "Bearer nonsense" } })).status).toBe(
    401,
  );
  await at.kubectl(["create", "serviceaccount", "scraper"]);
  const bearer = { authorization: `Bearer ${(await at.kubectl(["create", "token", "scraper"])).trim()}` };
  expect((await call(operator(), "GET", "/metrics", { headers: bearer })).status).toBe(403);
  const role = `metrics-${at.namespace}`;
  await at.kubectl(["create", "clusterrole", role, "--verb=get", "--non-resource-url=/metrics"]);
  await at.kubectl([
    "create",
    "clusterrolebinding",
    role,
    `--clusterrole=${role}`,
    `--serviceaccount=${at.namespace}:scraper`,
  ]);
  const answer = await until("the binding to work", async () => {
    const scraped = await call(operator(), "GET", "/metrics", { headers: bearer });
    return scraped.status === 200 ? scraped : undefined;
  });
  expect(answer.body).toContain("rest_client_requests_total");
});

test("the operator is the same one after a restart: its authority and its cluster id are kept, the port speaks TLS 1.3 only", async () => {
  const before = await get("secret", "holdfast-installation");
  expect(await operator().stop()).toBe(0);
  await operator().start();
  expect((await get("secret", "holdfast-installation")).data).toEqual(before.data);
  expect((await call(operator(), "GET", "/healthz")).status).toBe(200);
  const chain = await presented(operator().port);
  expect(chain.protocol).toBe("TLSv1.3");
  expect(chain.issuer).toBe(new X509Certificate(operator().ca).fingerprint256);
  await expect(presented(operator().port, "TLSv1.2")).rejects.toThrow();
});

// The last test: afterwards this operator leads no more.
test("an expired token is refused with what to do", async () => {
  const token = await createToken(at, "expired");
  // Its age cannot be made up, but when it expires is a status: as the token controller would have written it an hour ago.
  const status = { expiresAt: "2020-01-01T00:00:00Z" };
  await operator().stop();
  await at.kubectl([
    "patch",
    "enrollmenttoken",
    "expired",
    "--subresource=status",
    "--type=merge",
    "-p",
    JSON.stringify({ status }),
  ]);
  const refused = await startedBeforeItsControllers(() => enroll(operator(), token, machine("late")));
  expect(refused).toMatchObject({ status: 401, code: "token_expired" });
  expect(refused.message).toContain("expired at 2020-01-01T00:00:00Z. Create another EnrollmentToken");
});

/** Another operator's lease keeps this one's controllers from mending the status before the request. */
async function startedBeforeItsControllers<T>(act: () => Promise<T>): Promise<T> {
  const now = new Date().toISOString().replace("Z", "000Z");
  const spec = { holderIdentity: "somebody-else", leaseDurationSeconds: 15, acquireTime: now, renewTime: now };
  await at.kubectl(["patch", "lease", "holdfast-operator", "--type=merge", "-p", JSON.stringify({ spec })]);
  await operator().start();
  return act();
}

function presented(port: number, maxVersion: "TLSv1.2" | "TLSv1.3" = "TLSv1.3") {
  return new Promise<{ protocol: string | null; issuer: string }>((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false, maxVersion }, () => {
      const { issuerCertificate } = socket.getPeerCertificate(true);
      resolve({ protocol: socket.getProtocol(), issuer: issuerCertificate.fingerprint256 });
      socket.destroy();
    });
    socket.on("error", reject);
  });
}
