import { parse } from "yaml";
import { z } from "zod";
import { HoldfastError, messageOf } from "#base/errors.ts";

/** A node of an OpenAPI v3 schema as a CRD may hold it (structural: no $ref, no oneOf at the level of types). */
export interface Schema {
  type?: string;
  description?: string;
  default?: unknown;
  format?: string;
  pattern?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  minItems?: number;
  maxItems?: number;
  maxProperties?: number;
  properties?: Record<string, Schema>;
  items?: Schema;
  additionalProperties?: Schema | boolean;
  required?: string[];
  enum?: unknown[];
  nullable?: boolean;
  "x-kubernetes-list-type"?: string;
  "x-kubernetes-list-map-keys"?: string[];
  "x-kubernetes-validations"?: { rule: string; message: string }[];
  "x-kubernetes-int-or-string"?: boolean;
  "x-kubernetes-preserve-unknown-fields"?: boolean;
}

const crdSchema = z.object({
  kind: z.literal("CustomResourceDefinition"),
  spec: z.object({
    group: z.string(),
    names: z.object({ kind: z.string() }),
    versions: z.array(
      z.object({ name: z.string(), storage: z.boolean(), schema: z.object({ openAPIV3Schema: z.custom<Schema>() }) }),
    ),
  }),
});

/** What the types are made from. */
export interface CRD {
  kind: string;
  /** "holdfast.dev/v1alpha1": of the version that is stored. */
  apiVersion: string;
  schema: Schema;
}

/** Reads one CRD from YAML. `file` names it in errors. */
export function parseCRD(yaml: string, file: string): CRD {
  let document: unknown;
  try {
    document = parse(yaml);
  } catch (cause) {
    throw new HoldfastError("gen/yaml", `${file} is not YAML: ${messageOf(cause)}`, { cause });
  }
  const result = crdSchema.safeParse(document);
  if (!result.success) throw new HoldfastError("gen/crd", `${file} is not a CRD:\n${z.prettifyError(result.error)}`);
  const { group, names, versions } = result.data.spec;
  const stored = versions.find(({ storage }) => storage);
  if (stored === undefined) throw new HoldfastError("gen/crd", `${file} has no version with storage: true`);
  return { kind: names.kind, apiVersion: `${group}/${stored.name}`, schema: stored.schema.openAPIV3Schema };
}
