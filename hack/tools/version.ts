/** A version as its three numbers; undefined for anything that is not plainly `1.2.3` (a pre-release, a wrapper). */
function parseVersion(text: string): [number, number, number] | undefined {
  const match = /^v?(\d+)\.(\d+)\.(\d+)$/.exec(text);
  return match === null ? undefined : [Number(match[1]), Number(match[2]), Number(match[3])];
}

/** Whether a binary of version `found` may stand in for the pinned one: the same minor version, and not an older patch. */
export function fits(found: string, pinned: string): boolean {
  const have = parseVersion(found);
  const want = parseVersion(pinned);
  if (have === undefined || want === undefined) return false;
  return have[0] === want[0] && have[1] === want[1] && have[2] >= want[2];
}

/** Whether Go `found` (as `go env GOVERSION` says it: "go1.26.8") can build a module whose go directive says `needed`. */
export function goIsNewEnough(found: string, needed: string): boolean {
  const have = /^go(\d+)\.(\d+)(?:\.(\d+))?/.exec(found);
  const want = /^(\d+)\.(\d+)(?:\.(\d+))?$/.exec(needed);
  if (have === null || want === null) return false;
  for (let part = 1; part <= 3; part++) {
    const difference = Number(have[part] ?? 0) - Number(want[part] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}
