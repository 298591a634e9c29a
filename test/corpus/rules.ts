import type { CRD, Schema } from "../../hack/gen/crd.ts";

/** A CEL rule of a CRD, as a refusal by it names it. */
export interface Rule {
  readonly kind: string;
  /** As in spec.files.paths[], <nil> for the whole resource. */
  readonly field: string;
  readonly message: string;
}

/** Every rule of x-kubernetes-validations in a CRD. */
export function rulesOf({ kind, schema }: CRD): Rule[] {
  const rules: Rule[] = [];
  const walk = (node: Schema, path: string): void => {
    for (const { message } of node["x-kubernetes-validations"] ?? []) {
      rules.push({ kind, field: path === "" ? "<nil>" : path.slice(1), message });
    }
    for (const [name, field] of Object.entries(node.properties ?? {})) walk(field, `${path}.${name}`);
    if (node.items !== undefined) walk(node.items, `${path}[]`);
    if (typeof node.additionalProperties === "object") walk(node.additionalProperties, `${path}{}`);
  };
  walk(schema, "");
  return rules;
}

/** Whether a resource of `kind` that is refused for `cause` (`field: message`) is refused by this rule. */
export function isRefusal(rule: Rule, kind: string, cause: string): boolean {
  const [field = "", ...words] = cause.split(": ");
  return (
    rule.kind === kind &&
    rule.field === field.replace(/\[\d+\]/g, "[]") &&
    words.join(": ").endsWith(`: ${rule.message}`)
  );
}
