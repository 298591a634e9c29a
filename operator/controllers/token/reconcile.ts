import { secret } from "#base/random.ts";
import type { EnrollmentToken, EnrollmentTokenStatus } from "#crds/enrollmenttoken.ts";
import { applyStatus } from "../../kube/apply.ts";
import { type ConditionDraft, conditions } from "../../kube/conditions.ts";
import { Controller, type ReconcileContext, watch } from "../../kube/controller.ts";
import { isAlreadyExists, isNotFound } from "../../kube/kube-error.ts";
import { Secrets } from "../../kube/resource.ts";
import type { Caches } from "../caches.ts";
import { EnrollmentTokens } from "../kinds.ts";
import type { ControllerParts } from "../parts.ts";
import { readinessConditions } from "../readiness.ts";
import { expiryOf, spent } from "./readiness.ts";
import { type Address, planSecret, secretName } from "./secret.ts";
import { tokenWriter } from "./writers.ts";

/** Keeps the Secret of each EnrollmentToken and says whether it can be used. */
export function tokenController(
  parts: ControllerParts & { caches: Pick<Caches, "tokens">; address: Address },
): Controller {
  const { caches, address } = parts;
  return new Controller({
    ...parts,
    name: "token",
    watches: [watch(caches.tokens)],
    async reconcile(key, ctx) {
      const token = caches.tokens.get(key);
      if (token === undefined || token.metadata.deletionTimestamp !== undefined) return;
      const now = ctx.clock.now();
      const end = spent(token, now);
      const refused = end === undefined ? await keepSecret(token, address, ctx) : undefined;
      const status = statusOf(token, end, refused, now);
      await applyStatus(ctx.client, EnrollmentTokens, token, tokenWriter, status, { signal: ctx.signal });
      return end === undefined ? { requeueAfterMs: Math.max(0, expiryOf(token) - now) } : {};
    },
  });
}

/** Returns why there can be no Secret. */
async function keepSecret(
  token: EnrollmentToken,
  address: Address,
  ctx: ReconcileContext,
): Promise<string | undefined> {
  const { namespace, name } = token.metadata;
  const ref = { namespace, name: secretName(name) };
  const existing = await ctx.client.get(Secrets, ref).catch((error: unknown) => {
    if (isNotFound(error)) return undefined;
    throw error;
  });
  const plan = planSecret(token, existing, address, secret());
  if (plan.do === "refuse") return plan.message;
  if (plan.do === "delete") {
    await ctx.client.delete(Secrets, ref, { uid: plan.uid });
    return keepSecret(token, address, ctx);
  }
  if (plan.do === "update") await ctx.client.patch(Secrets, ref, plan.draft);
  if (plan.do === "create") {
    try {
      await ctx.client.create(Secrets, plan.draft);
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      return keepSecret(token, address, ctx);
    }
  }
  return undefined;
}

function statusOf(
  token: EnrollmentToken,
  end: ReturnType<typeof spent>,
  refused: string | undefined,
  now: number,
): EnrollmentTokenStatus {
  const { generation, name } = token.metadata;
  const { maxUses = 1 } = token.spec;
  const usable = `machines can enrol with it; the command is in Secret ${secretName(name)}, at most ${maxUses} uses`;
  const drafts: ConditionDraft[] =
    end !== undefined
      ? [{ type: "Ready", ...end, observedGeneration: generation }]
      : refused !== undefined
        ? readinessConditions({ state: "stalled", reason: "SecretExists", message: refused }, generation)
        : readinessConditions({ state: "ready", reason: "Usable", message: usable }, generation);
  return {
    ...(generation !== undefined && { observedGeneration: generation }),
    secretRef: { name: secretName(name) },
    expiresAt: new Date(expiryOf(token)).toISOString().replace(".000Z", "Z"),
    conditions: conditions(token.status?.conditions, drafts, now),
  };
}
