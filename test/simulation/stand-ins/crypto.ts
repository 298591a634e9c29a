import type { Random } from "#base/random.ts";

/** Stands in for node:crypto in the product: ids and nonces follow from the seed, so that a trace does not change. */
export * from "node:crypto";

const source: { random: Random } = { random: { next: () => 0.5 } };

export function seedCrypto(random: Random): void {
  source.random = random;
}

export function randomBytes(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let index = 0; index < size; index++) bytes[index] = Math.floor(source.random.next() * 256);
  return bytes;
}

export function randomUUID(): string {
  const hex = randomBytes(16).toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
