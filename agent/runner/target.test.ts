import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { DEFAULT_RULES, type HostRules } from "../rules.ts";
import { pathsBelow } from "./paths.ts";
import { openSecretFolder } from "./secret-folder.ts";
import { checkFreeSpace, checkTarget } from "./target.ts";

let dir: string;
let rules: HostRules;
const plain = pathsBelow("");

beforeEach(() => {
  dir = realpathSync(mkdtempSync(`${tmpdir()}/holdfast-target-`));
  rules = { ...DEFAULT_RULES, restoreRoots: [`${dir}/restore`] };
});
afterEach(() => rmSync(dir, { recursive: true }));

describe("the target of a restore", () => {
  test("may lie in a root that does not exist yet", () => {
    expect(checkTarget(rules, `${dir}/restore/web/`, plain)).toBe(`${dir}/restore/web`);
  });

  test("may be the root itself, also where the root is a symlink", () => {
    mkdirSync(`${dir}/disk`);
    symlinkSync(`${dir}/disk`, `${dir}/restore`);
    expect(checkTarget(rules, `${dir}/restore`, plain)).toBe(`${dir}/restore`);
    expect(checkTarget(rules, `${dir}/restore/deep/er`, plain)).toBe(`${dir}/restore/deep/er`);
  });

  test.each<[string, () => void, string, string]>([
    ["outside the roots", () => {}, "/elsewhere", "--restore-root"],
    ["beside a root with a name that begins alike", () => {}, "/restore2", "--restore-root"],
    ["by dots", () => {}, "/restore/../x", "write it in full"],
    [
      "through a symlink",
      () => symlinkSync("/etc", `${dir}/restore/out`),
      "/restore/out/ssh",
      "leads through a symlink to /etc/ssh",
    ],
    [
      "through a symlink that leads nowhere",
      () => symlinkSync(`${dir}/nowhere`, `${dir}/restore/out`),
      "/restore/out/x",
      "leads nowhere",
    ],
    [
      "below a symlink that leads in a circle",
      () => symlinkSync("loop", `${dir}/restore/loop`),
      "/restore/loop/x/y",
      "leads nowhere",
    ],
    ["that is a file", () => writeFileSync(`${dir}/restore/file`, ""), "/restore/file", "is a file, not a folder"],
    ["below a file", () => writeFileSync(`${dir}/restore/file`, ""), "/restore/file/x/y", "/restore/file is a file"],
  ])("%s is refused", (_, prepare, target, message) => {
    mkdirSync(`${dir}/restore`);
    prepare();
    expect(() => checkTarget(rules, `${dir}${target}`, plain)).toThrow(message);
  });

  test("is a host path also where the host's root lies below a prefix", () => {
    const paths = pathsBelow(dir);
    const hosted = { ...rules, restoreRoots: ["/restore"] };
    expect(checkTarget(hosted, "/restore/web", paths)).toBe(`${dir}/restore/web`);
    mkdirSync(`${dir}/restore`);
    writeFileSync(`${dir}/restore/file`, "");
    expect(() => checkTarget(hosted, "/restore/file", paths)).toThrow(/^\/restore\/file is a file/);
  });

  test("must have room for what comes", () => {
    expect(() => checkFreeSpace(`${dir}/not/yet`, 1)).not.toThrow();
    expect(() => checkFreeSpace(`${dir}/not/yet`, Number.MAX_SAFE_INTEGER)).toThrow("choose another target");
  });
});

describe("the folder of secrets", () => {
  const access = {
    uid: "r",
    name: "main",
    url: "rest:x",
    password: "pw",
    env: { AWS_SECRET_ACCESS_KEY: "canary", AWS_REGION: "eu-central-1" },
    ca: "PEM",
  };

  test("holds files for their owner alone, and is gone when nobody needs it", () => {
    const secrets = openSecretFolder(`${dir}/state`, dir);
    expect(secrets.base.startsWith(`${dir}/holdfast-agent-`)).toBe(true);
    const files = secrets.write("run-1", access);
    expect(readFileSync(files.passwordFile, "utf8")).toBe("pw");
    expect(readFileSync(files.caFile!, "utf8")).toBe("PEM");
    expect([statSync(secrets.base).mode & 0o777, statSync(files.passwordFile).mode & 0o777]).toEqual([0o700, 0o600]);
    expect(secrets.known("run-1")).toEqual(["pw", "canary"]);
    secrets.remove("run-1");
    expect(existsSync(secrets.base)).toBe(false);
    expect(secrets.known("run-1")).toEqual([]);
  });

  test("keeps what a living restic needs, and nothing else", () => {
    const secrets = openSecretFolder(`${dir}/state`, dir);
    secrets.write("old", access);
    const needed = secrets.write("..", access);
    secrets.retain([".."]);
    expect(secrets.known("old")).toEqual([]);
    expect(readFileSync(needed.passwordFile, "utf8")).toBe("pw");
  });

  test("is never one that somebody else made first", () => {
    const own = openSecretFolder(`${dir}/state`, dir).base;
    mkdirSync(`${dir}/state`);
    mkdirSync(`${dir}/other`);
    symlinkSync(`${dir}/other`, own);
    expect(openSecretFolder(`${dir}/state`, dir).base).not.toBe(own);
    rmSync(own);
    mkdirSync(own, { mode: 0o777 });
    const elsewhere = openSecretFolder(`${dir}/state`, dir);
    expect(elsewhere.base).not.toBe(own);
  });
});
