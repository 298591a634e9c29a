import { createHash } from "node:crypto";
import type { FastifyInstance } from "fastify";
import type { Registry } from "prom-client";
import type { Clock } from "#base/clock.ts";
import { Refusal } from "../hub/refusal.ts";
import type { Client } from "../kube/client.ts";
import { authorize, bearerToken } from "./access.ts";
import { RateLimit } from "./rate-limit.ts";

const RATES = { each: { perSecond: 1, burst: 10 }, all: { perSecond: 5, burst: 20 } };
const TIMEOUT_MS = 10_000;
/** A scrape each 15 s is then two requests a minute to the API server. */
const ALLOWED_FOR_MS = 60_000;
/** While the API server cannot be asked, metrics are wanted most: who was allowed within the life of a token still is. */
const TRUSTED_FOR_MS = 3_600_000;
const MOST_REMEMBERED = 100;

const WISH = { nonResourceAttributes: { path: "/metrics", verb: "get" } };
const SHOW_A_TOKEN = "show a ServiceAccount's token as bearer, as Prometheus does with authorization.credentials_file";
const bindIt = (user: string) =>
  `${user} may not get the nonResourceURL /metrics; bind it to a ClusterRole that allows this`;

export interface MetricsRoute {
  readonly registry: Registry;
  readonly client: Pick<Client, "create">;
  readonly clock: Clock;
}

/** `GET /metrics` for whom the cluster's own RBAC allows `get` on the nonResourceURL /metrics. */
export function metricsRoute(app: FastifyInstance, { registry, client, clock }: MetricsRoute): void {
  const limit = new RateLimit(RATES, clock);
  /** When each token, by its hash, was last allowed; the oldest first. */
  const allowed = new Map<string, number>();
  const admit = { onRequest: async (request: { readonly ip: string }) => limit.admit(request.ip) };
  app.get("/metrics", admit, async (request, reply) => {
    const token = bearerToken(request.headers.authorization, SHOW_A_TOKEN);
    const hash = createHash("sha256").update(token).digest("base64");
    const age = clock.monotonic() - (allowed.get(hash) ?? Number.NEGATIVE_INFINITY);
    if (age > ALLOWED_FOR_MS) {
      try {
        await authorize(client, token, WISH, bindIt, AbortSignal.timeout(TIMEOUT_MS));
        allowed.delete(hash);
        allowed.set(hash, clock.monotonic());
        for (const oldest of allowed.keys()) if (allowed.size > MOST_REMEMBERED) allowed.delete(oldest);
      } catch (error) {
        if (error instanceof Refusal) allowed.delete(hash);
        if (error instanceof Refusal || age > TRUSTED_FOR_MS) throw error;
      }
    }
    reply.header("content-type", registry.contentType);
    return registry.metrics();
  });
}
