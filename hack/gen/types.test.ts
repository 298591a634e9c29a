import { expect, test } from "vitest";
import { parseCRD } from "./crd.ts";
import { typesOf } from "./types.ts";

const text = { type: "string" };
const condition = JSON.stringify({
  type: "object",
  properties: {
    type: text,
    status: text,
    observedGeneration: { type: "integer" },
    lastTransitionTime: text,
    reason: text,
    message: text,
  },
});

const yaml = `
kind: CustomResourceDefinition
spec:
  group: example.org
  names: {kind: Widget}
  versions:
    - {name: v1alpha1, storage: false, schema: {openAPIV3Schema: {type: object}}}
    - name: v1
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          required: [spec]
          description: A widget.
          properties:
            spec:
              type: object
              required: [size]
              x-kubernetes-validations: [{rule: "self.size > 1", message: too small}]
              properties:
                size: {type: integer, format: int64, minimum: 2, description: Its size in bytes.}
                mode: {type: string, enum: [Fast, Slow], default: Fast}
                port: {x-kubernetes-int-or-string: true}
                parts: {type: array, minItems: 1, maxItems: 2, items: {type: object, required: [name], properties: {name: {type: string}}}}
                labels: {type: object, maxProperties: 8, additionalProperties: {type: string, maxLength: 63}}
                extra: {type: object, x-kubernetes-preserve-unknown-fields: true}
                until: {type: string, nullable: true}
            status:
              type: object
              properties:
                conditions: {type: array, maxItems: 16, items: ${condition}}
`;

test("a kind becomes three interfaces with its descriptions, and nothing of the bounds", async () => {
  expect(await typesOf(parseCRD(yaml, "widget.yaml"))).toMatchInlineSnapshot(`
    "// Generated from crds/*.yaml by \`npm run generate\`. Do not edit.
    import type { Condition, ObjectMeta } from "./meta.ts";

    /**
     * A widget.
     */
    export interface Widget {
      apiVersion: "example.org/v1";
      kind: "Widget";
      metadata: ObjectMeta;
      spec: WidgetSpec;
      status?: WidgetStatus;
    }
    export interface WidgetSpec {
      /**
       * Its size in bytes.
       */
      size: number;
      mode?: "Fast" | "Slow";
      port?: number | string;
      parts?: {
        name: string;
      }[];
      labels?: {
        [k: string]: string;
      };
      extra?: {
        [k: string]: unknown;
      };
      until?: string | null;
    }
    export interface WidgetStatus {
      conditions?: Condition[];
    }
    "
  `);
});

test.each([
  ["broken YAML is refused with the file's name", "kind: [", /crds\/x.yaml is not YAML/],
  ["another kind of document is refused", "kind: ConfigMap", /crds\/x.yaml is not a CRD/],
  [
    "a CRD without a stored version is refused",
    yaml.replace("storage: true", "storage: false"),
    /no version with storage: true/,
  ],
])("%s", (_, text, message) => expect(() => parseCRD(text, "crds/x.yaml")).toThrow(message));
