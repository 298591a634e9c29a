import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DEFAULT_RULES } from "../rules.ts";
import { pathsBelow } from "./paths.ts";
import { checkSource } from "./sources.ts";

let dir: string;
const plain = pathsBelow("");

beforeEach(() => {
  dir = realpathSync(mkdtempSync(`${tmpdir()}/holdfast-sources-`));
  for (const name of ["srv/www", "secret/deep", "state"]) mkdirSync(`${dir}/${name}`, { recursive: true });
});
afterEach(() => rmSync(dir, { recursive: true }));

const rules = () => ({ ...DEFAULT_RULES, backupRoots: [`${dir}/srv`] });

test("a path below a backup root may be backed up, whether or not it is there, and a symlink as a symlink", () => {
  symlinkSync(`${dir}/secret`, `${dir}/srv/link`);
  for (const path of ["www", "not/there", "link"])
    expect(() => checkSource(rules(), `${dir}/srv/${path}`, [], plain)).not.toThrow();
});

test("a backup root may itself be reached by a symlink", () => {
  symlinkSync(`${dir}/secret`, `${dir}/data`);
  const linked = { ...DEFAULT_RULES, backupRoots: [`${dir}/data`] };
  for (const path of ["data", "data/deep"])
    expect(() => checkSource(linked, `${dir}/${path}`, [], plain)).not.toThrow();
});

test("a symlink inside a backup root is no way out of it", () => {
  symlinkSync(`${dir}/secret`, `${dir}/srv/link`);
  expect(() => checkSource(rules(), `${dir}/srv/link/deep`, [], plain)).toThrow(
    `leads through a symlink to ${dir}/secret/deep, outside this host's backup roots (${dir}/srv)`,
  );
});

test("a symlink of the host leads nowhere in the agent's container", () => {
  const paths = pathsBelow(`${dir}/srv`);
  symlinkSync(`${dir}/secret`, `${dir}/srv/link`);
  expect(() => checkSource(DEFAULT_RULES, "/www", [], paths)).not.toThrow();
  expect(() => checkSource(DEFAULT_RULES, "/link/deep", [], paths)).toThrow("outside this host's backup roots (/)");
});

test("a symlink is no way to the agent's own state", () => {
  symlinkSync(dir, `${dir}/srv/link`);
  expect(() => checkSource(DEFAULT_RULES, `${dir}/srv/link/state`, [`${dir}/state`], plain)).toThrow(
    "the agent's own state",
  );
});
