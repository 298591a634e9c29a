/** Below this length a value is only replaced where it stands alone, or it would eat up ordinary text. */
const SHORTEST_ANYWHERE = 4;

/**
 * Replaces every known secret, as it is and as it looks in JSON or in a URL, by `***`. Everything that leaves the runner
 * passes through it: restic and the libraries below it repeat what they were given in their messages.
 */
export function redactor(secrets: readonly string[]): (text: string) => string {
  const forms = new Set<string>();
  for (const secret of secrets.flatMap((value) => [value, value.trim(), ...value.split("\n")])) {
    if (secret.trim() === "") continue;
    forms.add(secret);
    forms.add(JSON.stringify(secret).slice(1, -1));
    forms.add(encodeURIComponent(secret.toWellFormed()));
  }
  if (forms.size === 0) return (text) => text;
  const alternatives = [...forms]
    // The longest first, or a secret that begins with another one would be replaced by half.
    .sort((a, b) => b.length - a.length)
    .map((form) => {
      const literal = form.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
      return form.length >= SHORTEST_ANYWHERE ? literal : `(?<![\\p{L}\\p{N}])${literal}(?![\\p{L}\\p{N}])`;
    });
  const pattern = new RegExp(alternatives.join("|"), "gu");
  return (text) => text.replace(pattern, "***");
}
