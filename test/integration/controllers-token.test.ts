import { expect, test, vi } from "vitest";
import { parseToken } from "#protocol/enroll.ts";
import { EnrollmentTokens } from "../../operator/controllers/kinds.ts";
import { enrollWriter } from "../../operator/controllers/token/writers.ts";
import { Secrets } from "../../operator/kube/resource.ts";
import { address, controllersWorld, expectReady } from "./controllers-world.ts";

const world = controllersWorld();

async function secretOf(name: string): Promise<Record<string, string>> {
  const { data = {} } = await world.get(Secrets, `holdfast-token-${name}`);
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, "base64").toString()]));
}

test("an EnrollmentToken gets a Secret of its own with token, address, pin and command", async () => {
  const created = await world.create(EnrollmentTokens, "web", {});
  const token = await world.until(EnrollmentTokens, "web", (object) => expectReady(object, "True", "Usable"));
  expect(token.status?.secretRef).toEqual({ name: "holdfast-token-web" });
  const lasts = Date.parse(token.status!.expiresAt!) - Date.parse(token.metadata.creationTimestamp!);
  expect(lasts).toBe(3_600_000);
  const secret = await secretOf("web");
  expect(secret).toMatchObject({ server: address.server, pin: address.pin });
  expect(secret["command"]).toBe(
    `holdfast-agent enroll --server ${address.server} --pin ${address.pin} --token-file -`,
  );
  expect(parseToken(secret["token"]!)?.id).toBe(created.metadata.uid.replaceAll("-", ""));
  const { metadata } = await world.get(Secrets, "holdfast-token-web");
  expect(metadata.ownerReferences).toMatchObject([
    { kind: "EnrollmentToken", uid: created.metadata.uid, controller: true },
  ]);
});

test("a Secret that was deleted comes again with another token, one that is there is left alone", async () => {
  await world.create(EnrollmentTokens, "kept", { maxUses: 2 });
  const live = await world.until(EnrollmentTokens, "kept", (object) => expectReady(object, "True", "Usable"));
  const before = await secretOf("kept");
  const count = async (uses: number) => {
    await world.write(EnrollmentTokens, "kept", enrollWriter, { uses, hosts: [] });
  };
  await count(1);
  await vi.waitFor(() => expect(world.its().caches.tokens.get(live.metadata)?.status?.uses).toBe(1));
  expect(await secretOf("kept")).toEqual(before);

  await world.its().client.delete(Secrets, { namespace: world.namespace, name: "holdfast-token-kept" });
  // Secrets are not watched: the next reconcile brings it back.
  await world.kubectl(["annotate", "enrollmenttoken", "kept", "look=again"]);
  const after = await vi.waitFor(() => secretOf("kept"), 15_000);
  expect(after["token"]).not.toBe(before["token"]);

  await count(2);
  const used = await world.until(EnrollmentTokens, "kept", (object) => expectReady(object, "True", "Used"));
  expect(used.status).toMatchObject({ uses: 2, secretRef: { name: "holdfast-token-kept" } });
});

test("a Secret of that name that is somebody else's stays, and the token says so", async () => {
  await world.kubectl(["create", "secret", "generic", "holdfast-token-taken", "--from-literal=mine=yes"]);
  await world.create(EnrollmentTokens, "taken", {});
  await world.until(EnrollmentTokens, "taken", (object) => expectReady(object, "False", "SecretExists"));
  expect(await secretOf("taken")).toEqual({ mine: "yes" });
});
