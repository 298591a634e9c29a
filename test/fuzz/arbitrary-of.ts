import fc from "fast-check";
import { z } from "zod";

/** Anything a string of JavaScript can hold: control characters, every plane of Unicode, lone surrogates. */
export const anyText = (maxLength = 64): fc.Arbitrary<string> =>
  fc.oneof(
    fc.string({ maxLength }),
    fc
      .array(fc.integer({ min: 0, max: 0x10ffff }), { maxLength: Math.floor(maxLength / 2) })
      .map((points) => String.fromCodePoint(...points)),
    fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength }).map((units) => String.fromCharCode(...units)),
  );

/**
 * Values that `schema` accepts, made from the schema itself: a frame that is added is fuzzed from its first day. Knows the
 * parts of zod that the protocol uses and throws on any other.
 */
export function arbitraryOf(schema: z.core.$ZodType): fc.Arbitrary<unknown> {
  if (schema instanceof z.ZodObject) {
    const members = Object.entries(schema.shape as { [name: string]: z.core.$ZodType });
    const optional = members.filter(([, member]) => member instanceof z.ZodOptional);
    const made = Object.fromEntries(members.map(([name, member]) => [name, arbitraryOf(member)]));
    const required = members.filter((member) => !optional.includes(member)).map(([name]) => name);
    return fc.record(made, { requiredKeys: required, noNullPrototype: true });
  }
  if (schema instanceof z.ZodOptional) return arbitraryOf(schema.def.innerType);
  if (schema instanceof z.ZodUnion) return fc.oneof(...schema.def.options.map(arbitraryOf));
  if (schema instanceof z.ZodLiteral) return fc.constantFrom(...schema.def.values);
  if (schema instanceof z.ZodEnum) return fc.constantFrom(...Object.values(schema.def.entries));
  if (schema instanceof z.ZodBoolean) return fc.boolean();
  if (schema instanceof z.ZodArray) {
    return fc.array(arbitraryOf(schema.def.element), { minLength: checksOf(schema).minimum ?? 0, maxLength: 4 });
  }
  if (schema instanceof z.ZodRecord) {
    return fc.dictionary(arbitraryOf(schema.def.keyType) as fc.Arbitrary<string>, arbitraryOf(schema.def.valueType), {
      maxKeys: 4,
      noNullPrototype: true,
    });
  }
  if (schema instanceof z.ZodNumber) return numberOf(schema);
  if (schema instanceof z.ZodPipe) return arbitraryOf(schema.def.in);
  if (schema instanceof z.ZodISODateTime) return time;
  if (schema instanceof z.ZodString) return textOf(schema);
  throw new Error(`test/fuzz/arbitrary-of.ts does not know zod's ${schema._zod.def.type} yet`);
}

/** The numbers and patterns of the checks that were put on a schema. */
function checksOf(schema: z.core.$ZodType): { minimum?: number; pattern?: RegExp } {
  const { checks = [] } = schema._zod.def;
  return Object.assign({}, ...checks.map((check) => check._zod.def));
}

function numberOf(schema: z.ZodNumber): fc.Arbitrary<number> {
  const min = Math.max(schema.minValue ?? 0, Number.MIN_SAFE_INTEGER);
  const max = Math.min(schema.maxValue ?? 0, Number.MAX_SAFE_INTEGER);
  if (!schema.isInt) return fc.double({ min, max, noNaN: true });
  return fc.oneof(fc.constantFrom(min, max), fc.integer({ min, max }));
}

function textOf(schema: z.ZodString): fc.Arbitrary<string> {
  const { pattern } = checksOf(schema);
  const made = pattern === undefined ? anyText(Math.min(schema.maxLength ?? 64, 64)) : fc.stringMatching(pattern);
  return made.filter((text) => schema.safeParse(text).success);
}

/** What `new Date().toISOString()` can give with four digits of year. */
const time: fc.Arbitrary<string> = fc
  .date({ min: new Date("0001-01-01T00:00:00Z"), max: new Date("9999-12-31T23:59:59Z"), noInvalidDate: true })
  .map((date) => date.toISOString());
