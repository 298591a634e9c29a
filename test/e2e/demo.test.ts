import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { processesUsing } from "../../hack/stage/process.ts";

const demo = fileURLToPath(new URL("../../hack/demo/main.ts", import.meta.url));

test("the README's first command ends with a restored tree and leaves nothing behind", async () => {
  const child = spawn(process.execPath, [demo, "--files", "1000", "--keep"], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      output += chunk;
      // It is up and stays up: end it as a user would.
      if (output.includes("Ctrl-C here takes it down")) child.kill("SIGINT");
    });
  const code = await new Promise((resolve) => child.once("close", resolve));
  expect(output).toContain("✓ two hosts enrolled with one token; one of them created the repository, once");
  expect(output).toMatch(/✓ \d+ files of two hosts backed up/);
  expect(output).toContain("✓ a backup outlived its operator and its agent, with one snapshot and one result");
  expect(output).toMatch(/✓ \d+ files, folders and links restored: checksums, modes and times are equal/);
  expect(code).toBe(130);
  const folder = /source (\S+)\/env/.exec(output)?.[1];
  expect(folder).toBeDefined();
  expect(existsSync(folder!)).toBe(false);
  expect(processesUsing(folder!)).toEqual([]);
}, 300_000);
