import { HoldfastError } from "#base/errors.ts";
import type { Condition } from "#crds/meta.ts";
import type { Client } from "./client.ts";
import type { Kind, KubeObject } from "./resource.ts";

/**
 * Who writes what of a status. Each field and each condition has one writer, by field manager. What may pass from one
 * process to another (a one-shot's status, from the replica with the socket to the leader) keeps its one manager: the
 * new holder's complete apply then replaces the old one's, fields it leaves out included. Under a manager of its own the
 * new holder would have to take the fields by force, and those it leaves out would stay behind for ever.
 */
export interface StatusWriter {
  readonly manager: string;
  /** Below status, dotted: "session", "config.applied". Never "conditions". */
  readonly fields: readonly string[];
  /** Types of conditions. */
  readonly conditions: readonly string[];
}

interface WithConditions {
  readonly conditions?: readonly Condition[];
}

/**
 * Makes the writer's part of a status what `desired` says; what it leaves out of its fields and conditions is removed.
 * Nothing is sent when the live object says so already. The write carries uid and resourceVersion of `live`, so that it
 * neither resurrects a deleted object nor overwrites what it has not seen: isConflict means read again and compute again,
 * and fences whoever was stopped for a while and woke up.
 * Errors: KubeError; kube/foreign-field for a field that is not the writer's, a mistake in the program.
 */
export async function applyStatus<T extends KubeObject & { readonly status?: object }>(
  client: Pick<Client, "apply">,
  kind: Kind<T>,
  live: T,
  writer: StatusWriter,
  desired: object,
  options: { readonly signal?: AbortSignal } = {},
): Promise<{ readonly object: T; readonly written: boolean }> {
  const foreign = foreignField(writer, desired);
  if (foreign !== undefined) {
    throw new HoldfastError("kube/foreign-field", `${writer.manager} must not write status.${foreign} of ${kind.kind}`);
  }
  if (isUpToDate(writer, live.status ?? {}, desired)) return { object: live, written: false };
  const { namespace, name, uid, resourceVersion } = live.metadata;
  const metadata = { ...(namespace === undefined ? {} : { namespace }), name, uid, resourceVersion };
  const apply = { ...options, manager: writer.manager, subresource: "status" } as const;
  return { object: await client.apply(kind, { metadata, status: desired }, apply), written: true };
}

/** Whether the writer's part of `live` is `desired`: field by field, conditions by type, absent and null being the same. */
export function isUpToDate(writer: StatusWriter, live: object, desired: object): boolean {
  const condition = (status: WithConditions, type: string) => status.conditions?.find((each) => each.type === type);
  return (
    writer.fields.every((field) => sameJson(at(live, field), at(desired, field))) &&
    writer.conditions.every((type) => sameJson(condition(live, type), condition(desired, type)))
  );
}

function foreignField(writer: StatusWriter, desired: WithConditions): string | undefined {
  const condition = desired.conditions?.find(({ type }) => !writer.conditions.includes(type));
  if (condition !== undefined) return `conditions[${condition.type}]`;
  const search = (part: object, prefix: string): string | undefined => {
    for (const [name, value] of Object.entries(part)) {
      const path = prefix + name;
      if (value === undefined || writer.fields.includes(path) || path === "conditions") continue;
      const deeper = writer.fields.some((field) => field.startsWith(`${path}.`));
      if (!deeper || typeof value !== "object" || value === null) return path;
      const found = search(value, `${path}.`);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return search(desired, "");
}

function at(status: object, field: string): unknown {
  let part: unknown = status;
  for (const name of field.split(".")) part = (part as Record<string, unknown> | null | undefined)?.[name];
  return part;
}

/** Equality of what JSON would say: undefined, null and an absent field are one, since the API server drops nulls. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (a === undefined || a === null || b === undefined || b === null) return (a ?? null) === (b ?? null);
  if (typeof a !== "object" || typeof b !== "object" || Array.isArray(a) !== Array.isArray(b)) return false;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, index) => sameJson(item, b[index]));
  }
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  for (const name of names) {
    if (!sameJson((a as Record<string, unknown>)[name], (b as Record<string, unknown>)[name])) return false;
  }
  return true;
}
