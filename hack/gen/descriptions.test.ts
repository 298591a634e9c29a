import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { parseCRD, type Schema } from "./crd.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** A field as kubectl explain shows it. */
interface Field {
  readonly path: string;
  readonly name: string;
  readonly schema: Schema;
  readonly text: string;
}

const fields = globSync("crds/*.yaml", { cwd: root }).flatMap((file) => {
  const { kind, schema } = parseCRD(readFileSync(`${root}${file}`, "utf8"), file);
  return [{ path: kind, name: kind, schema, text: schema.description ?? "" }, ...below(schema, kind)];
});

function below(schema: Schema, path: string): Field[] {
  const named = Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const at = `${path}.${name}`;
    return [{ path: at, name, schema: field, text: field.description ?? "" }, ...below(field, at)];
  });
  return [...named, ...(schema.items === undefined ? [] : below(schema.items, `${path}[]`))];
}

/** The paths of those fields that fit `which` and whose description does not fit `words`. */
function without(words: RegExp | ((field: Field) => boolean), which: (field: Field) => boolean = () => true): string[] {
  const fits = (field: Field) => (words instanceof RegExp ? words.test(field.text) : words(field));
  return fields.filter((field) => which(field) && !fits(field)).map(({ path }) => path);
}

test("every field is described in at least one whole sentence", () => {
  expect(without(/^(restic|[A-Z]|SHA)(\S* ){2,}.*\.$/s)).toEqual([]);
});

test("a default is told", () => {
  const told = ({ schema, text }: Field) => text.includes(`Default ${schema.default}`);
  expect(without(told, ({ schema }) => schema.default !== undefined && typeof schema.default !== "object")).toEqual([]);
});

test.each<[string, RegExp, (field: Field) => boolean]>([
  ["a number of seconds", /\bseconds?\b/i, ({ name }) => /seconds/i.test(name)],
  ["a number of bytes", /\bbytes\b/i, ({ name }) => /bytes/i.test(name)],
  ["a rate", /KiB per second/, ({ name }) => name.endsWith("KiBps")],
  ["a size in MiB", /\bMiB\b/, ({ name }) => name.endsWith("MiB")],
  ["a share", /percent, from 0 to 100/, ({ name }) => name === "percent"],
  ["a duration", /a duration from \d+[smh] to \d+h/, ({ schema }) => hasRule(schema, "duration(self)")],
  [
    "a time that people write",
    /RFC 3339, for example \d{4}-/,
    (field) => isSpec(field) && field.schema.format !== undefined && field.schema.type === "string",
  ],
])("the unit of %s is told", (_, words, which) => {
  expect(fields.filter(which)).not.toEqual([]);
  expect(without(words, which)).toEqual([]);
});

test("what people may choose among is told, each choice by its name", () => {
  const told = ({ schema, text }: Field) => schema.enum!.every((choice) => text.includes(String(choice)));
  expect(without(told, ({ schema }) => schema.enum !== undefined)).toEqual([]);
});

test("a text of a form that is not obvious has an example", () => {
  const formed = (field: Field) => isSpec(field) && field.schema.type === "string" && hasRule(field.schema, "matches(");
  const reference = /^Name of the /;
  expect(without(/for example|Default/, (field) => formed(field) && !reference.test(field.text))).toEqual([]);
});

function isSpec({ path }: Field): boolean {
  return path.split(".")[1] === "spec";
}

function hasRule(schema: Schema, part: string): boolean {
  return schema["x-kubernetes-validations"]?.some(({ rule }) => rule.includes(part)) === true;
}
