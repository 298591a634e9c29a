import { existsSync, readdirSync, readFileSync } from "node:fs";
import { HoldfastError } from "#base/errors.ts";
import { parseCRD } from "./crd.ts";
import { errorsPage } from "./errors/page.ts";
import { fillIncludes } from "./includes.ts";
import { completeLock, type Lock } from "./lock.ts";
import { metaFile, typesOf } from "./types.ts";

/** Every file of the project in `root` (ending in "/") that is generated, or partly so: path from the root -> content. */
export async function generate(root: string): Promise<Map<string, string>> {
  const files = new Map([["crds/types/meta.ts", metaFile]]);
  for (const file of list(`${root}crds`, ".yaml")) {
    const crd = parseCRD(readFileSync(`${root}crds/${file}`, "utf8"), `crds/${file}`);
    files.set(`crds/types/${crd.kind.toLowerCase()}.ts`, await typesOf(crd));
  }
  const pages = [...list(root, ".md"), ...list(`${root}docs`, ".md").map((file) => `docs/${file}`)];
  for (const page of pages) {
    const read = (path: string) => readIncluded(root, page, path);
    files.set(page, fillIncludes(readFileSync(`${root}${page}`, "utf8"), read));
  }
  files.set("docs/errors.md", errorsPage());
  const lock = JSON.parse(readFileSync(`${root}package-lock.json`, "utf8")) as Lock;
  files.set("package-lock.json", `${JSON.stringify(completeLock(lock), null, 2)}\n`);
  return files;
}

function list(folder: string, ending: string): string[] {
  return existsSync(folder) ? readdirSync(folder).filter((file) => file.endsWith(ending)) : [];
}

function readIncluded(root: string, page: string, path: string): string {
  if (!existsSync(`${root}${path}`)) {
    throw new HoldfastError(
      "gen/include",
      `${page} includes ${path}, which does not exist: correct the path (it starts at the root)`,
    );
  }
  return readFileSync(`${root}${path}`, "utf8");
}
