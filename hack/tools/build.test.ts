import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { build } from "./build.ts";
import { moduleOf } from "./modules.ts";

// A script stands in for go: the real one takes minutes, and every other test runs what it built.
let folder: string;
const module = { ...moduleOf("restic"), goVersion: "1.25.8" };
const platform = { os: "linux", arch: "amd64" };
const report = vi.fn();

beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/holdfast-build-`);
  mkdirSync(`${folder}/bin`);
  vi.stubEnv("PATH", `${folder}/bin:/usr/bin:/bin`);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

/** `script` sees go's arguments. */
function installGo(script: string): void {
  writeFileSync(`${folder}/bin/go`, `#!/bin/sh\n${script}\n`);
  chmodSync(`${folder}/bin/go`, 0o755);
}

const attempt = () => build(module, platform, `${folder}/cache/restic-1`, report);

test("without go it says which Go to install", async () => {
  vi.stubEnv("PATH", `${folder}/bin`);
  await expect(attempt()).rejects.toThrow(
    `Go 1.25.8 or newer is needed to build restic ${module.version}, and no go is on PATH`,
  );
});

test("with an old go it says which version is there and which is needed", async () => {
  installGo("echo go1.22.1");
  await expect(attempt()).rejects.toThrow(/Go 1.25.8 or newer is needed .* but the go on PATH says: go1.22.1/);
});

test("a build that fails shows go's message and leaves nothing in the cache", async () => {
  installGo('[ "$1" = env ] && echo go1.26.0 && exit; echo "no space left on device" >&2; exit 1');
  await expect(attempt()).rejects.toThrow(/could not build restic[\s\S]*no space left on device/);
  expect(readdirSync(`${folder}/cache`)).toEqual([]);
});

test("the user's GOFLAGS, workspace and toolchain settings do not reach go", async () => {
  for (const [name, value] of Object.entries({
    GOFLAGS: "-mod=vendor",
    GOWORK: "/x",
    GOTOOLCHAIN: "auto",
    GOOS: "plan9",
  })) {
    vi.stubEnv(name, value);
  }
  installGo(`[ "$1" = env ] && echo go1.26.0 && exit
    [ "$GOFLAGS,$GOWORK,$GOTOOLCHAIN,$GOOS/$GOARCH,$CGO_ENABLED" = ,off,local,linux/amd64,0 ] || exit 1
    while [ "$1" != -o ]; do shift; done; echo binary > "$2"`);
  await attempt();
  expect(existsSync(`${folder}/cache/restic-1/restic`)).toBe(true);
});

test("what a killed build left is removed by the next", async () => {
  mkdirSync(`${folder}/cache/.building-restic-dead`, { recursive: true });
  installGo(`[ "$1" = env ] && echo go1.26.0 && exit; while [ "$1" != -o ]; do shift; done; echo binary > "$2"`);
  await attempt();
  expect(readdirSync(`${folder}/cache`)).toEqual(["restic-1"]);
});
