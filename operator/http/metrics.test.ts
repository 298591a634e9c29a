import Fastify from "fastify";
import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { ManualClock } from "#base/manual-clock.ts";
import { Refusal } from "../hub/refusal.ts";
import type { Client } from "../kube/client.ts";
import { KubeError } from "../kube/kube-error.ts";
import { metricsRoute } from "./metrics.ts";

// Whom RBAC allows, on the real API server: test/integration/operator-enrolment.test.ts. Here: for how long.

function route() {
  const app = Fastify();
  const clock = new ManualClock();
  let answer: "yes" | "no" | "away" = "yes";
  let asked = 0;
  const create = async (kind: { plural: string }) => {
    asked++;
    if (answer === "away") throw new KubeError(0, "Unreachable", "did not answer");
    const user = { username: "scraper" };
    return { status: kind.plural === "tokenreviews" ? { authenticated: true, user } : { allowed: answer === "yes" } };
  };
  app.setErrorHandler((error, _request, reply) => reply.code(error instanceof Refusal ? error.status : 503).send());
  metricsRoute(app, { registry: new Registry(), client: { create } as unknown as Pick<Client, "create">, clock });
  return {
    clock,
    becomes: (next: typeof answer) => {
      answer = next;
    },
    asked: () => asked,
    async scrape(token = "one") {
      const headers = { authorization: `Bearer ${token}` };
      return (await app.inject({ url: "/metrics", headers })).statusCode;
    },
  };
}

test("who was allowed is not asked about again for a minute, and then loses it if RBAC has changed", async () => {
  const { clock, becomes, asked, scrape } = route();
  expect([await scrape(), asked()]).toEqual([200, 2]);
  await clock.advance(60_000);
  becomes("no");
  expect([await scrape(), asked()]).toEqual([200, 2]);
  await clock.advance(1);
  expect([await scrape(), asked()]).toEqual([403, 4]);
  becomes("away");
  expect(await scrape()).toBe(503);
});

test("while the API server is away, whom it allowed within the last hour still gets metrics, and nobody else does", async () => {
  const { clock, becomes, scrape } = route();
  expect(await scrape()).toBe(200);
  becomes("away");
  await clock.advance(3_600_000);
  expect([await scrape(), await scrape("another")]).toEqual([200, 503]);
  await clock.advance(1);
  expect(await scrape()).toBe(503);
});

test("a hundred tokens are remembered, the ones used last", async () => {
  const { clock, becomes, scrape } = route();
  for (let token = 0; token <= 100; token++) {
    expect(await scrape(String(token))).toBe(200);
    await clock.advance(1_000);
  }
  becomes("away");
  expect([await scrape("0"), await scrape("1")]).toEqual([503, 200]);
});
