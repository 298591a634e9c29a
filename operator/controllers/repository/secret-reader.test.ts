import { expect, test } from "vitest";
import { ManualClock } from "#base/manual-clock.ts";
import { systemRandom } from "#base/random.ts";
import type { Repository } from "#crds/repository.ts";
import type { Client } from "../../kube/client.ts";
import type { Informer } from "../../kube/informer.ts";
import { KubeError } from "../../kube/kube-error.ts";
import type { Log } from "../../kube/log.ts";
import { repositoryOf } from "../fixtures.ts";
import { SecretReader } from "./secret-reader.ts";

// On the real API server: test/integration/controllers-repository.test.ts. Here: while that does not answer.

function reader() {
  const clock = new ManualClock();
  const state = { repository: repositoryOf("offsite"), away: false };
  const get = async (_: unknown, { name }: { name: string }) => {
    if (state.away) throw new KubeError(0, "Unreachable", "did not answer");
    const data = { password: Buffer.from("hunter2").toString("base64") };
    return { apiVersion: "v1", kind: "Secret", metadata: { name, uid: "s", resourceVersion: "1" }, data };
  };
  const repositories = { get: () => state.repository, onChange: () => () => {} } as unknown as Informer<Repository>;
  const secrets = new SecretReader({
    client: { get } as unknown as Client,
    caches: { repositories },
    clock,
    random: systemRandom,
    log: { warn: () => {} } as unknown as Log,
  });
  const url = async () => {
    const resolved = await secrets.read(state.repository);
    return "access" in resolved ? resolved.access.url : resolved.problem;
  };
  return { clock, state, url };
}

test("while the API server is away, what was read before stands", async () => {
  const { clock, state, url } = reader();
  expect(await url()).toContain("/offsite/");
  state.away = true;
  await clock.advance(600_000);
  expect(await url()).toContain("/offsite/");
});

test("not, however, what was read for another spec: that would open the repository at the old address as the new one", async () => {
  const { state, url } = reader();
  await url();
  state.away = true;
  const { spec, metadata } = state.repository;
  const changed = { ...metadata, generation: 2 };
  state.repository = {
    ...state.repository,
    metadata: changed,
    spec: { ...spec, url: "rest:https://new.example.com/" },
  };
  await expect(url()).rejects.toThrow("did not answer");
  state.away = false;
  expect(await url()).toBe("rest:https://new.example.com/");
});
