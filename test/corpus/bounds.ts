import type { CRD, Schema } from "../../hack/gen/crd.ts";
import type { Manifest } from "./corpus.ts";

/** A manifest that breaks one bound of a schema, and what the API server says to it. */
export interface BoundCase {
  /** As in "Restore spec.timeout maxLength". */
  readonly title: string;
  readonly manifest: Manifest;
  /** `field: message` of one of the causes. */
  readonly refused: string;
}

type Step = string | number;
type Violation = [bound: string, value: unknown, message: string];

/**
 * One case for every bound of `crd`: each takes one of `good` in which the bounded field stands, and breaks only that.
 * Throws where no good manifest holds a field, because then its bound could not be tried.
 */
export function boundCases({ kind, schema }: CRD, good: readonly Manifest[]): BoundCase[] {
  const own = good.filter((manifest) => manifest.kind === kind);
  const cases: BoundCase[] = [];
  const walk = (node: Schema, path: readonly Step[]): void => {
    const base = own.find((manifest) => valueAt(manifest, path) !== undefined);
    if (base === undefined) throw new Error(`no ${kind} in test/corpus/good has ${fieldOf(path)}: add it to one`);
    const value = valueAt(base, path);
    const add = (bound: string, at: readonly Step[], wrong: unknown, message: string) =>
      cases.push({
        title: `${kind} ${fieldOf(path)} ${bound}`,
        manifest: withValue(base, at, wrong),
        refused: `${fieldOf(at)}: ${message}`,
      });
    // Where a status is written the API server names what is in it without the word status.
    const shown = fieldOf(path).replace(/^status\.?/, "");
    for (const [bound, wrong, message] of violations(node, value, shown)) add(bound, path, wrong, message);
    for (const [index, message] of duplicate(node, value)) {
      add("duplicate", [...path, index], (value as unknown[])[0], message);
    }
    for (const name of node.required ?? []) add(`required ${name}`, [...path, name], undefined, "Required value");
    for (const [name, field] of Object.entries(node.properties ?? {})) walk(field, [...path, name]);
    if (node.items !== undefined) walk(node.items, [...path, 0]);
    if (typeof node.additionalProperties === "object") {
      walk(node.additionalProperties, [...path, Object.keys(value as object)[0]!]);
    }
  };
  for (const part of ["spec", "status"]) walk(schema.properties![part]!, [part]);
  return cases;
}

/** What breaks each bound of one field, and the API server's words for it; `value` fits. */
function violations(node: Schema, value: unknown, field: string): Violation[] {
  const found: Violation[] = [];
  const invalid = (wrong: unknown, message: string) => `Invalid value: ${JSON.stringify(wrong)}: ${field} ${message}`;
  if (node.minLength !== undefined) {
    const short = "a".repeat(node.minLength - 1);
    found.push(["minLength", short, invalid(short, `in body should be at least ${node.minLength} chars long`)]);
  }
  if (node.maxLength !== undefined) {
    const long = "a".repeat(node.maxLength + 1);
    found.push(["maxLength", long, `Too long: may not be more than ${node.maxLength} bytes`]);
  }
  if (node.pattern !== undefined) {
    const odd = ["-", "?"].find((text) => !new RegExp(node.pattern!).test(text))!;
    found.push(["pattern", odd, invalid(odd, `in body should match '${node.pattern}'`)]);
  }
  if (node.enum !== undefined) {
    const listed = node.enum.map((one) => JSON.stringify(one)).join(", ");
    found.push(["enum", "Nonsense", `Unsupported value: "Nonsense": supported values: ${listed}`]);
  }
  if (node.minimum !== undefined) {
    const low = node.minimum - 1;
    found.push(["minimum", low, invalid(low, `in body should be greater than or equal to ${node.minimum}`)]);
  }
  if (node.maximum !== undefined) {
    const high = node.maximum + 1;
    found.push(["maximum", high, invalid(high, `in body should be less than or equal to ${node.maximum}`)]);
  }
  if (node.format === "date-time") {
    found.push(["format", "tomorrow", invalid("tomorrow", `in body must be of type date-time: "tomorrow"`)]);
  }
  if (node.minItems !== undefined) {
    found.push(["minItems", [], `Invalid value: 0: ${field} in body should have at least ${node.minItems} items`]);
  }
  if (node.maxItems !== undefined) {
    const many = Array.from({ length: node.maxItems + 1 }, (_, index) => distinct(node, value as unknown[], index));
    found.push(["maxItems", many, `Too many: ${many.length}: must have at most ${node.maxItems} items`]);
  }
  if (node.maxProperties !== undefined) {
    const [any] = Object.values(value as object);
    const many = Object.fromEntries(Array.from({ length: node.maxProperties + 1 }, (_, index) => [`k${index}`, any]));
    found.push([
      "maxProperties",
      many,
      `Too many: ${node.maxProperties + 1}: must have at most ${node.maxProperties} items`,
    ]);
  }
  return found;
}

/** An item like the first of `list` that its list type takes for another one. */
function distinct({ items, ...list }: Schema, [first]: unknown[], index: number): unknown {
  if (items?.type === "string") return `${first}${index}`;
  const keys = list["x-kubernetes-list-map-keys"] ?? [];
  return { ...(first as object), ...Object.fromEntries(keys.map((key) => [key, `a${index}`])) };
}

/** The place and words of a second item like the first, for lists that take each only once. */
function duplicate(node: Schema, value: unknown): [number, string][] {
  const keys = node["x-kubernetes-list-map-keys"];
  const kind = node["x-kubernetes-list-type"];
  if (kind !== "set" && kind !== "map") return [];
  const [first] = value as Record<string, unknown>[];
  const shown = keys === undefined ? first : Object.fromEntries(keys.map((key) => [key, first![key]]));
  return [[(value as unknown[]).length, `Duplicate value: ${JSON.stringify(shown)}`]];
}

function valueAt(value: unknown, path: readonly Step[]): unknown {
  return path.reduce<unknown>((at, step) => (at as Record<Step, unknown> | undefined)?.[step], value);
}

function withValue(manifest: Manifest, path: readonly Step[], value: unknown): Manifest {
  const copy = structuredClone(manifest);
  const parent = valueAt(copy, path.slice(0, -1)) as Record<Step, unknown>;
  parent[path.at(-1)!] = value;
  return copy;
}

/** As the API server writes it: spec.files.paths[0]. */
function fieldOf(path: readonly Step[]): string {
  return path
    .map((step) => (typeof step === "number" ? `[${step}]` : `.${step}`))
    .join("")
    .slice(1);
}
