import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { messageOf } from "#base/errors.ts";
import { ManualClock } from "#base/manual-clock.ts";
import { inCluster, loadConnection } from "./connection.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "holdfast-connection-"));
});
afterAll(() => rm(folder, { recursive: true }));

const kubeconfig = (server: string, user: object, cluster: object = {}) =>
  JSON.stringify({
    clusters: [{ name: "c", cluster: { server, ...cluster } }],
    users: [{ name: "u", user }],
    contexts: [{ name: "x", context: { cluster: "c", user: "u", namespace: "team" } }],
    "current-context": "x",
  });

async function load(name: string, content: string) {
  const path = join(folder, name);
  await writeFile(path, content);
  return loadConnection({ kubeconfig: path, env: {}, clock: new ManualClock() });
}

test("in a pod the token is read again after a minute, or at once when it was refused", async () => {
  await writeFile(join(folder, "ca.crt"), "authority");
  await writeFile(join(folder, "token"), "first\n");
  const clock = new ManualClock();
  const env = { KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "6443", POD_NAMESPACE: "team" };
  const connection = inCluster(env, clock, folder);
  expect([connection.server.href, connection.namespace]).toEqual(["https://[fd00::1]:6443/", "team"]);
  const bearer = async (fresh: boolean) => (await connection.credentials(fresh)).headers["authorization"];
  expect(await bearer(false)).toBe("Bearer first");
  expect((await connection.credentials(false)).tls).toEqual({ ca: "authority" });
  await writeFile(join(folder, "token"), "second");
  expect(await bearer(false)).toBe("Bearer first");
  expect(await bearer(true)).toBe("Bearer second");
  await writeFile(join(folder, "token"), "third");
  await clock.advance(60_001);
  expect(await bearer(false)).toBe("Bearer third");
});

test("a token that cannot be read is an error that names the cure, and is tried again", async () => {
  const connection = inCluster({ KUBERNETES_SERVICE_HOST: "10.0.0.1" }, new ManualClock(), join(folder, "missing"));
  const error = { code: "kube/config", message: expect.stringContaining("automountServiceAccountToken: true") };
  await expect(connection.credentials(false)).rejects.toMatchObject(error);
  await expect(connection.credentials(false)).rejects.toMatchObject(error);
});

test("a kubeconfig gives server, namespace, token and TLS material", async () => {
  const ca = Buffer.from("authority").toString("base64");
  const connection = await load(
    "token.yaml",
    kubeconfig(
      "https://127.0.0.1:6443/prefix",
      { token: "t", as: "somebody" },
      { "certificate-authority-data": ca, "tls-server-name": "api" },
    ),
  );
  expect([connection.server.href, connection.namespace]).toEqual(["https://127.0.0.1:6443/prefix", "team"]);
  expect(await connection.credentials(false)).toEqual({
    tls: { ca: "authority", servername: "api" },
    headers: { authorization: "Bearer t", "impersonate-user": "somebody" },
  });
});

test.each([
  ["a line too much", "users:\n- name: u\n  user:\n    token: 5ecret-t0ken: more"],
  ["a quote that is not closed", 'users:\n- {name: u, user: {token: "5ecret-t0ken\n'],
])("a kubeconfig with %s is named by its line, without the token there", async (name, content) => {
  const error = await load(`${name}.yaml`, content).catch((thrown: unknown) => thrown);
  expect(messageOf(error)).toMatch(/is no YAML at line \d+/);
  expect(messageOf(error)).not.toContain("5ecret");
});

test("a kubeconfig with a credential plugin runs it", async () => {
  const credential = {
    apiVersion: "client.authentication.k8s.io/v1",
    kind: "ExecCredential",
    status: { token: "from-plugin" },
  };
  const exec = { apiVersion: "client.authentication.k8s.io/v1", command: "echo", args: [JSON.stringify(credential)] };
  const connection = await load("exec.yaml", kubeconfig("https://127.0.0.1:6443", { exec }));
  expect((await connection.credentials(false)).headers).toEqual({ authorization: "Bearer from-plugin" });
});

test.each([
  ["that does not exist", undefined, /cannot read the kubeconfig .*ENOENT/],
  ["that is not YAML", "a: b: c", /is no YAML at line 1; correct it$/],
  [
    "without the cluster its context names",
    JSON.stringify({ "current-context": "gone" }),
    /no usable cluster for its current context "gone": choose one/,
  ],
  ["with a proxy", kubeconfig("https://127.0.0.1:1", {}, { "proxy-url": "http://127.0.0.1:2" }), /asks for a proxy/],
])("a kubeconfig %s is an error that says what to do", async (name, content, message) => {
  const file = `${name.replaceAll(" ", "-")}.yaml`;
  const loading =
    content === undefined
      ? loadConnection({ kubeconfig: join(folder, file), env: {}, clock: new ManualClock() })
      : load(file, content);
  await expect(loading).rejects.toMatchObject({ code: "kube/config", message: expect.stringMatching(message) });
});
