import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";
import { installKill } from "./programs.ts";

/** A bug planted on purpose: `from` in a file of the product (its path from the root) reads `to` instead. */
export interface Plant {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

const ROOT = new URL("../../", import.meta.url).href;

/** What the product imports and what it gets instead, by the beginning of the importing file's path from the root. */
const STAND_INS: readonly { readonly importer: string; readonly specifier: RegExp; readonly file: string }[] = [
  { importer: "agent/", specifier: /^node:fs(\/promises)?$/, file: "files.ts" },
  { importer: "agent/", specifier: /^node:child_process$/, file: "child-process.ts" },
  { importer: "agent/", specifier: /^node:sqlite$/, file: "sqlite.ts" },
  { importer: "agent/link/link.ts", specifier: /^\.\/dial\.ts$/, file: "dial.ts" },
  { importer: "agent/", specifier: /^node:crypto$/, file: "crypto.ts" },
  { importer: "operator/", specifier: /^node:crypto$/, file: "crypto.ts" },
  { importer: "base/", specifier: /^node:crypto$/, file: "crypto.ts" },
  { importer: "agent/", specifier: /^#protocol\/slots\.ts$/, file: "slots.ts" },
  { importer: "operator/", specifier: /^#protocol\/slots\.ts$/, file: "slots.ts" },
];

/**
 * Must be called before any file of the product is loaded: from then on the agent's disk, processes and network, and
 * everybody's random ids, are the simulation's. All else of the product is what ships, but for the plants.
 */
export function install(plants: readonly Plant[]): void {
  installKill();
  for (const { file, from } of plants) {
    const found = readFileSync(new URL(file, ROOT), "utf8").split(from).length - 1;
    if (found !== 1) throw new Error(`a planted bug is out of date: ${file} has ${found} times: ${from}`);
  }
  registerHooks({
    resolve(specifier, context, next) {
      const importer = context.parentURL?.startsWith(ROOT) === true ? context.parentURL.slice(ROOT.length) : "";
      const found = STAND_INS.find((each) => importer.startsWith(each.importer) && each.specifier.test(specifier));
      if (found === undefined) return next(specifier, context);
      return {
        url: new URL(`stand-ins/${found.file}`, import.meta.url).href,
        format: "module-typescript",
        shortCircuit: true,
      };
    },
    load(url, context, next) {
      const loaded = next(url, context);
      const planted = plants.filter(({ file }) => url === ROOT + file);
      if (planted.length === 0) return loaded;
      const source = planted.reduce(
        (text, { from, to }) => text.replace(from, () => to),
        readFileSync(fileURLToPath(url), "utf8"),
      );
      return { ...loaded, source };
    },
  });
}
