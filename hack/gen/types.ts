import { compile } from "json-schema-to-typescript";
import type { CRD, Schema } from "./crd.ts";

const banner = "// Generated from crds/*.yaml by `npm run generate`. Do not edit.\n";

type JSONSchema = Parameters<typeof compile>[0];

/** The file crds/types/<kind>.ts: interfaces <Kind>, <Kind>Spec and <Kind>Status with the descriptions as comments. */
export async function typesOf({ kind, apiVersion, schema }: CRD): Promise<string> {
  const { spec, status } = schema.properties ?? {};
  const resource: JSONSchema = {
    type: "object",
    title: kind,
    additionalProperties: false,
    ...(schema.description !== undefined && { description: schema.description }),
    required: ["apiVersion", "kind", "metadata", ...(schema.required ?? [])],
    properties: {
      apiVersion: { const: apiVersion },
      kind: { const: kind },
      metadata: { tsType: "ObjectMeta" },
      ...(spec !== undefined && { spec: { ...convert(spec), title: `${kind}Spec` } }),
      ...(status !== undefined && { status: { ...convert(status), title: `${kind}Status` } }),
    },
  };
  const body = await compile(resource, kind, {
    bannerComment: "",
    additionalProperties: false,
    // maxItems would otherwise become a union of tuples.
    ignoreMinAndMaxItems: true,
    style: { printWidth: 120 },
  });
  const imports = ["Condition", "ObjectMeta"].filter((name) => new RegExp(`\\b${name}\\b`).test(body));
  return `${banner}import type { ${imports.join(", ")} } from "./meta.ts";\n\n${body.trim()}\n`;
}

/** The file crds/types/meta.ts: the shapes of Kubernetes that every kind shares and no CRD describes. */
export const metaFile = `${banner}
/** metav1.OwnerReference. */
export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

/** metav1.ObjectMeta as the API server sends it, times as RFC 3339 strings, without managedFields. */
export interface ObjectMeta {
  readonly name: string;
  /** What the server made the name from. */
  readonly generateName?: string;
  readonly namespace?: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly OwnerReference[];
  readonly finalizers?: readonly string[];
}

/** metav1.Condition. */
export interface Condition {
  type: string;
  status: "True" | "False" | "Unknown";
  observedGeneration?: number | undefined;
  /** RFC 3339; changes with status only. */
  lastTransitionTime: string;
  reason: string;
  message: string;
}
`;

/** The JSON Schema that says the same about types; bounds and validations are the API server's business. */
function convert(schema: Schema): JSONSchema {
  const comment = schema.description === undefined ? {} : { description: schema.description };
  if (isConditions(schema)) return { ...comment, tsType: "Condition[]" };
  if (schema["x-kubernetes-int-or-string"] === true) return { ...comment, tsType: "number | string" };
  return { ...comment, ...typeOf(schema) };
}

function typeOf(schema: Schema): JSONSchema {
  if (schema.nullable === true) return { anyOf: [typeOf({ ...schema, nullable: false }), { type: "null" }] };
  if (schema.enum !== undefined) return { enum: schema.enum as string[] };
  if (schema.type === "array") return { type: "array", items: convert(schema.items ?? {}) };
  if (schema.type === "object") return objectType(schema);
  if (schema.type === "string" || schema.type === "boolean") return { type: schema.type };
  if (schema.type === "integer" || schema.type === "number") return { type: "number" };
  return { tsType: "unknown" };
}

function objectType(schema: Schema): JSONSchema {
  const { properties, additionalProperties, required } = schema;
  if (properties === undefined) {
    const value = typeof additionalProperties === "object" ? convert(additionalProperties) : { tsType: "unknown" };
    return { type: "object", additionalProperties: value };
  }
  return {
    type: "object",
    additionalProperties: schema["x-kubernetes-preserve-unknown-fields"] === true,
    properties: Object.fromEntries(Object.entries(properties).map(([name, value]) => [name, convert(value)])),
    ...(required !== undefined && { required }),
  };
}

/** Whether it is a list of metav1.Condition, recognised by its fields. */
function isConditions({ type, items }: Schema): boolean {
  const fields = Object.keys(items?.properties ?? {}).sort();
  const condition = ["lastTransitionTime", "message", "observedGeneration", "reason", "status", "type"];
  return type === "array" && JSON.stringify(fields) === JSON.stringify(condition);
}
