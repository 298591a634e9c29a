import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findInstalled } from "./installed.ts";
import { moduleOf, type ToolName } from "./modules.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/holdfast-installed-`);
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Puts a program on the search path that answers every question with `answer`. */
function install(tool: ToolName, answer: string): void {
  writeFileSync(`${folder}/${tool}`, `#!/bin/sh\ncat <<'END'\n${answer}\nEND\n`);
  chmodSync(`${folder}/${tool}`, 0o755);
}

test.each<[ToolName, string, string]>([
  ["kube-apiserver", "Kubernetes v1.34.5", "1.34.4"],
  ["kube-controller-manager", "Kubernetes v1.34.4", "1.34.4"],
  ["kubectl", "Client Version: v1.34.4\nKustomize Version: v5.7.1", "1.34.4"],
  ["etcd", "etcd Version: 3.6.8\nGit SHA: Not provided\nGo Version: go1.25.0", "3.6.8"],
  ["restic", "restic 0.19.1 compiled with go1.26.8 on linux/amd64", "0.19.1"],
  ["rest-server", "rest-server version rest-server 0.14.0 compiled with go1.26.8 on linux/amd64", "0.14.0"],
])("a %s on PATH whose version fits is used", async (tool, answer, pinned) => {
  install(tool, answer);
  expect(await findInstalled(tool, pinned, `relative:/nowhere:${folder}`)).toBe(`${folder}/${tool}`);
});

test.each<[string, ToolName, string, string]>([
  ["a wrapper that names another version is passed over", "kubectl", "Client Version: v1.32.4-dispatcher", "1.34.4"],
  ["an older restic is passed over", "restic", "restic 0.18.1 compiled with go1.24.0 on linux/amd64", "0.19.1"],
  ["a program that answers something else is passed over", "etcd", "hello", "3.6.8"],
])("%s", async (_, tool, answer, pinned) => {
  install(tool, answer);
  expect(await findInstalled(tool, pinned, folder)).toBeUndefined();
});

test("a program that fails is passed over", async () => {
  install("restic", "restic 0.19.1 compiled with go\nEND\nexit 3\ncat <<'END'");
  expect(await findInstalled("restic", "0.19.1", folder)).toBeUndefined();
});

test.each<[ToolName, RegExp]>([
  ["kubectl", /^1\.34\.\d+$/],
  ["etcd", /^3\.6\.\d+$/],
  ["restic", /^0\.19\.\d+$/],
  ["rest-server", /^0\.14\.\d+$/],
])("the pinned version of %s is read from its go.mod", (tool, version) => {
  expect(moduleOf(tool).version).toMatch(version);
  expect(moduleOf(tool).goVersion).toMatch(/^1\.\d+/);
});
