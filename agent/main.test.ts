import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const program = fileURLToPath(new URL("main.ts", import.meta.url));

test.each([
  ["an unknown command", ["enrol"], 2, /there is no command "enrol"; there are .* \(cli\/usage\)\n$/s],
  ["an unknown flag", ["version", "--yaml"], 2, /--yaml.* \(cli\/usage\)\n$/s],
  ["a state folder that is none", ["dump-state", "--state-dir", "/proc/nowhere"], 1, / \(cli\/no-state\)\n$/],
])("%s ends with a message, its code and its exit code", (_, args, code, message) => {
  const { status, stderr } = spawnSync(process.execPath, [program, ...args], { encoding: "utf8" });
  expect(stderr).toMatch(message);
  expect(status).toBe(code);
});
