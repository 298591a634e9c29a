import { posix } from "node:path";

/**
 * What the code of each folder may import of the project besides its own folder; the first that fits counts. Packages
 * are not its business. The reasons are in docs/architecture.md.
 */
const rules: { folder: string; may: string[]; but?: string[] }[] = [
  { folder: "base", may: [] },
  { folder: "crds/types", may: [] },
  { folder: "operator/kube", may: ["crds/types", "base"] },
  {
    folder: "operator/controllers",
    may: ["operator", "crds/types", "base", "agent/protocol"],
    but: ["operator/hub", "operator/http"],
  },
  { folder: "operator", may: ["crds/types", "base", "agent/protocol"] },
  { folder: "agent/protocol", may: ["base"] },
  { folder: "agent", may: ["base"] },
  { folder: "cli", may: ["crds/types", "base"] },
  { folder: "web", may: ["crds/types", "base"] },
];

/** package.json's `imports`. */
const aliases: Record<string, string> = {
  "#base/": "base/",
  "#crds/": "crds/types/",
  "#protocol/": "agent/protocol/",
};

/**
 * Why `file` (its path from the root) may not import `specifier`; undefined when it may. Tests may use what test/ and
 * hack/ offer; hack/, test/ and the files at the root may import anything.
 */
export function importViolation(file: string, specifier: string): string | undefined {
  const target = projectPath(file, specifier);
  const rule = rules.find(({ folder }) => isIn(file, folder));
  if (target === undefined || rule === undefined || isIn(target, rule.folder)) return undefined;
  const { folder, but = [] } = rule;
  const may = file.endsWith(".test.ts") ? [...rule.may, "test", "hack"] : rule.may;
  const forbidden = but.find((part) => isIn(target, part));
  if (forbidden === undefined && may.some((part) => isIn(target, part))) return undefined;
  const allowed = rule.may.length === 0 ? "nothing of the project outside it" : `only ${rule.may.join(", ")}`;
  const except = but.length === 0 ? "" : ` but not ${but.join(", ")}`;
  return `${file} imports ${target}; ${folder}/ may import ${allowed}${except} (docs/architecture.md)`;
}

/** The specifiers that a TypeScript file imports or exports from, in order. */
export function importsOf(source: string): string[] {
  const pattern = /\b(?:from|import)\s*\(?\s*(?:"([^"\n]+)"|'([^'\n]+)')/g;
  return [...source.matchAll(pattern)].map((match) => match[1] ?? match[2]!);
}

/** The imported file's path from the root; undefined for a package. */
function projectPath(file: string, specifier: string): string | undefined {
  if (specifier.startsWith(".")) return posix.normalize(posix.join(posix.dirname(file), specifier));
  const alias = Object.keys(aliases).find((prefix) => specifier.startsWith(prefix));
  return alias === undefined ? undefined : aliases[alias] + specifier.slice(alias.length);
}

function isIn(path: string, folder: string): boolean {
  return path.startsWith(`${folder}/`);
}
