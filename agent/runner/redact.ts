import { harmless } from "#protocol/text.ts";

/** Below this length a value is only replaced where it stands alone, or it would eat up ordinary text. */
const SHORTEST_ANYWHERE = 4;

/**
 * Replaces every known secret, as it is and as it looks in JSON, in a URL or in base64, by `***`, and makes the text harmless.
 * Everything that leaves the runner passes through it: restic and the libraries below it repeat what they were given in
 * their messages.
 */
export function redactor(secrets: readonly string[]): (text: string) => string {
  const forms = new Set<string>();
  for (const secret of secrets.flatMap((value) => [value, value.trim(), harmless(value), ...value.split("\n")])) {
    if (secret.trim() === "") continue;
    forms.add(secret);
    forms.add(JSON.stringify(secret).slice(1, -1));
    forms.add(encodeURIComponent(secret.toWellFormed()));
    for (const form of inBase64(secret)) forms.add(form);
  }
  if (forms.size === 0) return harmless;
  const alternatives = [...forms]
    // The longest first, or a secret that begins with another one would be replaced by half.
    .sort((a, b) => b.length - a.length)
    .map((form) => {
      const literal = form.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
      return form.length >= SHORTEST_ANYWHERE ? literal : `(?<![\\p{L}\\p{N}])${literal}(?![\\p{L}\\p{N}])`;
    });
  const pattern = new RegExp(alternatives.join("|"), "gu");
  // Twice: what is not shown may have stood in the middle of a secret, or be part of one.
  return (text) => harmless(text.replace(pattern, "***")).replace(pattern, "***");
}

/** The base64 of what is shorter could be part of a word. */
const SHORTEST_IN_BASE64 = 8;

/** The characters that depend on `secret` alone, behind any number of other bytes: a server may repeat a Basic login. */
function inBase64(secret: string): string[] {
  const bytes = Buffer.from(secret);
  if (bytes.length < SHORTEST_IN_BASE64) return [];
  return [0, 1, 2].map((before) => {
    const whole = Buffer.concat([Buffer.alloc(before), bytes]).toString("base64");
    return whole.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6));
  });
}
