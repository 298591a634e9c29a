import { createHash } from "node:crypto";
import type { FastifyInstance } from "fastify";
import type { Registry } from "prom-client";
import type { Clock } from "#base/clock.ts";
import { Refusal } from "../hub/refusal.ts";
import type { Client } from "../kube/client.ts";
import type { Kind, KubeObject } from "../kube/resource.ts";
import { RateLimit } from "./rate-limit.ts";

type TokenReview = KubeObject & {
  readonly spec: { readonly token: string };
  readonly status?: {
    readonly authenticated?: boolean;
    readonly user?: { readonly username?: string; readonly uid?: string; readonly groups?: readonly string[] };
  };
};
type SubjectAccessReview = KubeObject & {
  readonly spec: object;
  readonly status?: { readonly allowed?: boolean };
};

const TokenReviews: Kind<TokenReview> = {
  group: "authentication.k8s.io",
  version: "v1",
  plural: "tokenreviews",
  kind: "TokenReview",
  namespaced: false,
};
const SubjectAccessReviews: Kind<SubjectAccessReview> = {
  group: "authorization.k8s.io",
  version: "v1",
  plural: "subjectaccessreviews",
  kind: "SubjectAccessReview",
  namespaced: false,
};

const RATES = { each: { perSecond: 1, burst: 10 }, all: { perSecond: 5, burst: 20 } };
const TIMEOUT_MS = 10_000;
/** A scrape each 15 s is then two requests a minute to the API server. */
const ALLOWED_FOR_MS = 60_000;
/** While the API server cannot be asked, metrics are wanted most: who was allowed within the life of a token still is. */
const TRUSTED_FOR_MS = 3_600_000;
const MOST_REMEMBERED = 100;

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
    const token = /^Bearer (.{1,16384})$/i.exec(request.headers.authorization ?? "")?.[1];
    if (token === undefined) {
      const cure = "show a ServiceAccount's token as bearer, as Prometheus does with authorization.credentials_file";
      throw new Refusal(401, "unauthorized", cure);
    }
    const hash = createHash("sha256").update(token).digest("base64");
    const age = clock.monotonic() - (allowed.get(hash) ?? Number.NEGATIVE_INFINITY);
    if (age > ALLOWED_FOR_MS) {
      try {
        await authorize(client, token, AbortSignal.timeout(TIMEOUT_MS));
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

async function authorize(client: Pick<Client, "create">, token: string, signal: AbortSignal): Promise<void> {
  const review = await client.create(TokenReviews, { metadata: {}, spec: { token } }, { signal });
  const { authenticated, user } = review.status ?? {};
  if (authenticated !== true || user?.username === undefined) {
    throw new Refusal(401, "unauthorized", "the API server does not know this token");
  }
  const spec = {
    user: user.username,
    ...(user.uid === undefined ? {} : { uid: user.uid }),
    groups: user.groups ?? [],
    nonResourceAttributes: { path: "/metrics", verb: "get" },
  };
  const access = await client.create(SubjectAccessReviews, { metadata: {}, spec }, { signal });
  if (access.status?.allowed === true) return;
  const cure = `${user.username} may not get the nonResourceURL /metrics; bind it to a ClusterRole that allows this`;
  throw new Refusal(403, "forbidden", cure);
}
