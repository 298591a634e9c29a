import type { FastifyInstance } from "fastify";
import type { Clock } from "#base/clock.ts";
import { type EnrollRequest, type EnrollResponse, enrollRequest } from "#protocol/enroll.ts";
import { Refusal } from "../hub/refusal.ts";
import { RateLimit } from "./rate-limit.ts";

/** Below the agent's own patience. */
const TIMEOUT_MS = 15_000;
/** A whole rack behind one NAT enrols in a minute; all racks together at what the API server is meant to bear. */
const RATES = { each: { perSecond: 5, burst: 50 }, all: { perSecond: 10, burst: 50 } };

export interface EnrollRoute {
  readonly enroll: (request: EnrollRequest, signal: AbortSignal) => Promise<EnrollResponse>;
  readonly clock: Clock;
}

/** `POST /v1/enroll`: a token for a Host. The limits come before anything is read, since nobody is authenticated yet. */
export function enrollRoute(app: FastifyInstance, { enroll, clock }: EnrollRoute): void {
  const limit = new RateLimit(RATES, clock);
  app.post("/v1/enroll", { onRequest: async (request) => limit.admit(request.ip) }, async (request, reply) => {
    reply.header("cache-control", "no-store");
    const parsed = enrollRequest.safeParse(request.body);
    if (parsed.success) return enroll(parsed.data, AbortSignal.timeout(TIMEOUT_MS));
    // Names only: a value may be a secret in the wrong place.
    const wrong = [...new Set(parsed.error.issues.map((issue) => issue.path.join(".") || "the body"))].slice(0, 5);
    throw new Refusal(400, "malformed", `not an enrolment request: ${wrong.join(", ")} missing or malformed`);
  });
}
